"""The register: dated seals as tokens, the links that trace has seen, and the snapshots that a strip runs on."""
