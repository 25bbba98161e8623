"""The state of a register in plain Python: which seals are in force on a day."""


def in_force(events, as_of, known_at=None):
    """(kind, identifier, statute, case) of every seal in force.

    A correction replaces what was recorded about its state before it. Of what stands and is effective the latest
    effective date decides; on one date the seal beats the vacatur.
    """
    states = {}
    for event in events:
        if known_at is None or event["recorded_on"] <= known_at:
            state = event["kind"], event["identifier"], event["statute"], event.get("case") or ""
            states.setdefault(state, []).append(event)
    found = set()
    for state, own in states.items():
        corrections = [event for event in own if event["action"] == "correct"]
        if corrections:
            day = max(event["recorded_on"] for event in corrections)
            own = [event for event in own if event["recorded_on"] > day]
            own += [event for event in corrections if event["recorded_on"] == day]
        effective = [event for event in own if event["effective_on"] <= as_of]
        if effective:
            day = max(event["effective_on"] for event in effective)
            if any(event["action"] != "vacate" for event in effective if event["effective_on"] == day):
                found.add(state)
    return found
