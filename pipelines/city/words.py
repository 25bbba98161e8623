"""What an invented city is made of: names, offences, premises, phrases.

Tables by crime type have one row per entry of ``CRIMES``. Sentences hold no digit and no full stop but their last.
"""

CRIMES = ("BURGLARY", "ROBBERY", "GRAND LARCENY", "ASSAULT", "DRUG", "FARE")
CRIME_WEIGHTS = (18, 16, 24, 20, 14, 8)
SERIAL_CRIMES = 3  # the first three come in series
ALONE_CRIMES = (3, 4, 5)  # arrests without a complaint

FIRST_NAMES = (
    "Ada", "Amir", "Beatriz", "Carlos", "Chidi", "Dana", "Elif", "Esther", "Femi", "Goran", "Hana", "Ibrahim", "Inés",
    "Jamal", "José", "Kofi", "Lena", "Luz", "Mateo", "Mei", "Nadia", "Noor", "Omar", "Petra", "Quinn", "Rosa",
    "Samir", "Tamika", "Uma", "Viktor", "Wanda", "Yusuf", "Zoë",
)  # fmt: skip
LAST_NAMES = (
    "Abara", "Almonte", "Baptiste", "Brandt", "Castañeda", "Chen", "Delacroix", "Diallo", "Ennis", "Farouk", "Grün",
    "Haddad", "Ivers", "Jovanović", "Kessler", "Lindqvist", "Marlowe", "Mensah", "Nowak", "Okafor", "Peña", "Quill",
    "Rahman", "Salcedo", "Tran", "Ueda", "Varga", "Whitlock", "Yilmaz", "Zamora",
)  # fmt: skip
SEXES, SEX_WEIGHTS = ("M", "F"), (78, 22)
RACES = ("BLACK", "WHITE HISPANIC", "WHITE", "BLACK HISPANIC", "ASIAN / PACIFIC ISLANDER")
RACE_WEIGHTS = (30, 27, 22, 9, 12)

PREMISES = (
    ("APARTMENT HOUSE", "PRIVATE HOUSE", "BODEGA", "OFFICE", "RESTAURANT", "CONSTRUCTION SITE"),
    ("STREET", "SUBWAY STATION", "BODEGA", "BANK LOBBY", "PARK", "GAS STATION"),
    ("STREET", "CHAIN STORE", "BAR", "SUBWAY TRAIN", "GYM", "PARKING LOT"),
    ("STREET", "BAR", "APARTMENT HOUSE", "SUBWAY STATION", "PARK", "SCHOOL"),
    ("STREET", "PARK", "APARTMENT HOUSE", "BAR", "SUBWAY STATION", "VEHICLE"),
    ("SUBWAY STATION", "BUS", "BUS STOP", "SUBWAY TRAIN", "FERRY TERMINAL", "SUBWAY MEZZANINE"),
)
ENTRIES = (
    ("FRONT DOOR", "REAR WINDOW", "FIRE ESCAPE", "ROOF HATCH", "SIDE DOOR", "BASEMENT"),
    *[("NONE",) * 6] * 5,
)
METHODS = (
    ("PRIED LOCK", "BROKE GLASS", "UNLOCKED", "PICKED LOCK", "PUSHED IN AC UNIT", "KICKED DOOR"),
    ("PUNCHED VICTIM", "DISPLAYED WEAPON", "SNATCHED", "FOLLOWED INTO LOBBY", "NOTE PASSED", "SURROUNDED VICTIM"),
    ("UNATTENDED BAG", "PICKPOCKET", "LOCKER BROKEN", "VEHICLE WINDOW", "CARD SKIMMED", "DISTRACTION"),
    ("PUNCHED", "PUSHED", "STRUCK WITH OBJECT", "CUT", "KICKED", "CHOKED"),
    ("HAND TO HAND", "OPEN VIEW", "SEARCH", "VEHICLE STOP", "BUY", "WARRANT"),
    ("TURNSTILE JUMP", "REAR DOOR", "DOUBLED UP", "BENT CARD", "GATE", "NO TICKET"),
)
WEAPONS = (
    ("NONE",) * 6,
    ("NONE", "KNIFE", "FIREARM", "SIMULATED FIREARM", "BLUNT OBJECT", "BOX CUTTER"),
    ("NONE",) * 6,
    ("NONE", "HANDS", "KNIFE", "BOTTLE", "BLUNT OBJECT", "FIREARM"),
    *[("NONE",) * 6] * 2,
)
STOLEN = (
    ("JEWELRY", "CASH", "LAPTOP", "TOOLS", "TELEVISION", "LIQUOR"),
    ("CELL PHONE", "CASH", "PURSE", "CHAIN", "BICYCLE", "SNEAKERS"),
    ("WALLET", "CELL PHONE", "HANDBAG", "CREDIT CARD", "COAT", "LAPTOP"),
    *[("NONE",) * 6] * 3,
)
LAW_CODES = (
    ("PL 140.25", "PL 140.20", "PL 165.40", "PL 140.35"),
    ("PL 160.10", "PL 160.05", "PL 155.30", "PL 265.01"),
    ("PL 155.30", "PL 155.35", "PL 165.45", "PL 155.25"),
    ("PL 120.00", "PL 120.05", "PL 240.26", "PL 110.00"),
    ("PL 220.03", "PL 220.16", "PL 220.06", "PL 240.20"),
    ("PL 165.15", "PL 140.10", "PL 240.20", "PL 140.05"),
)
SEVERITIES = (
    ("F", "F", "M", "M"), ("F", "F", "F", "M"), ("F", "F", "F", "M"),
    ("M", "F", "V", "M"), ("M", "F", "F", "V"), ("M", "M", "V", "V"),
)  # fmt: skip

OPENINGS = (
    (
        "At t/p/o C/V states that unknown perp did enter the premises without permission. ",
        "C/V returned home and found the location in disarray. ",
        "Reporting person states that upon opening up it was discovered that entry had been gained. ",
    ),
    (
        "At t/p/o C/V was approached by unknown perp who demanded property. ",
        "C/V states that perp forcibly removed property from C/V. ",
        "While walking home C/V was grabbed from behind by perp. ",
    ),
    (
        "At t/p/o C/V left property unattended and later found it missing. ",
        "C/V states that unknown perp removed property without permission. ",
        "C/V felt a tug and noticed that property was gone. ",
    ),
    (
        "At t/p/o C/V states that perp did strike C/V causing pain and redness. ",
        "During a verbal dispute perp did assault C/V. ",
        "C/V refused medical attention after being hit by perp. ",
    ),
    (
        "At t/p/o deft was observed with a quantity of alleged controlled substance. ",
        "During a lawful search a quantity of alleged substance was recovered. ",
        "Officer observed an exchange of currency for a small object. ",
    ),
    (
        "At t/p/o deft was observed entering the system without payment. ",
        "Officer observed deft pass the fare line without paying. ",
        "Deft was seen entering through the gate held open by another. ",
    ),
)
# What an offender keeps doing, and the words that keep turning up for it.
HABITS = (
    "Perp wore a red bandana over the face. ",
    "Perp asked for directions before the incident. ",
    "Perp fled on a black moped. ",
    "Perp spoke with a raspy voice and called C/V boss. ",
    "Perp left a half empty bottle of orange soda at the scene. ",
    "Perp wore white gloves and a painter coverall. ",
    "Perp was limping on the left leg. ",
    "Perp pretended to deliver flowers. ",
    "Perp wore a construction vest and carried a ladder. ",
    "Perp had a spider tattoo on the neck. ",
    "Perp pushed an empty stroller. ",
    "Perp used blue painters tape on the lock. ",
    "Perp was accompanied by a small brown dog. ",
    "Perp asked C/V for a cigarette and then for the time. ",
    "Perp cut the telephone wire with garden shears. ",
    "Perp wore a transit uniform jacket. ",
    "Perp whistled throughout the incident. ",
    "Perp fled on a folding bicycle. ",
    "Perp apologized to C/V while leaving. ",
    "Perp ate food from the refrigerator. ",
    "Perp carried a green duffel bag. ",
    "Perp wore a surgical mask and a grey hoodie. ",
    "Perp stated that he had nothing to lose. ",
    "Perp threatened to return. ",
)
# Said in their place of crimes that do not come in series.
REMARKS = (
    "Body worn camera was activated. ",
    "Parties are known to each other. ",
    "Incident was witnessed by patrol. ",
    "C/V declined to give a written statement. ",
    "Deft was taken to the precinct for processing. ",
)
FLIGHTS = (
    "Perp fled on foot in an unknown direction. ",
    "Perp fled northbound into the subway. ",
    "Perp entered a dark sedan and fled. ",
    "Perp was last seen running toward the park. ",
    "Perp mixed with the crowd and left. ",
)
CANVASSES = (
    "Canvass conducted with negative results. ",
    "Video canvass positive, footage requested. ",
    "No witnesses at the location. ",
    "Evidence collection team notified. ",
    "Prints were lifted from the scene. ",
)
CLOSINGS = (
    "C/V is willing to view photos. ",
    "C/V is unable to identify perp. ",
    "No further information at this time. ",
    "Case referred to the detective squad. ",
    "Supervisor notified of the above. ",
)
# Around the number of the arrest that writes the sentence.
ARREST_SENTENCES = (
    ("Perp apprehended at scene, arrest ", ". "),
    ("Under arrest ", " perp made statements to the assigned. "),
    ("See arrest ", " for property recovered. "),
    ("Deft in custody ref ", " and identified by C/V. "),
)

STOP_REASONS = ("FITS DESCRIPTION", "CASING", "LOOKOUT", "FURTIVE MOVEMENT", "TRANSACTION", "OTHER")
CAMERAS = ("CAM-A", "CAM-B", "CAM-C", "MOBILE")
PHOTO_NOTES = (
    "no remarks", "no remarks", "glasses removed", "tattoo of a señorita on left arm", "café stain on jacket",
    "scar über left brow", "refused to look up – second take", "reads «forever» on neck",
)  # fmt: skip

IMPRESSIONS = ("RIGHT FOUR", "LEFT FOUR", "THUMBS", "PALMS")
TERMINALS = ("LIVESCAN A", "LIVESCAN B", "LIVESCAN C", "INKED CARD")
ITEMS = (
    "CELL PHONE", "US CURRENCY", "KNIFE", "BICYCLE", "GLASSINE", "LAPTOP", "JEWELRY", "WALLET", "BACKPACK",
    "VEHICLE KEY", "BURGLAR TOOL", "CLOTHING",
)  # fmt: skip
# Remarks hold no digit.
VOUCHER_REMARKS = (
    "Owner unknown. ",
    "Held for safekeeping at the request of the hospital. ",
    "Serial number defaced. ",
    "Item wet when received. ",
)
SUMMONS_CHARGES = (
    "OPEN CONTAINER", "DISORDERLY CONDUCT", "PUBLIC URINATION", "LITTERING", "PARK AFTER HOURS", "BICYCLE ON SIDEWALK",
    "NOISE", "UNLICENSED VENDOR",
)  # fmt: skip
SUMMONS_STATUSES = ("OPEN", "PAID", "DISMISSED", "WARRANT ORDERED")
RADIO_CODES = (
    "BURGLARY",
    "ROBBERY",
    "LARCENY",
    "ASSAULT",
    "DISPUTE",
    "DISORDERLY",
    "ALARM",
    "AMBULANCE",
    "CALL FOR HELP",
)
SECTOR_CARS = ("A", "B", "C", "D", "E", "F", "G", "SERGEANT", "ANTI-CRIME")
FINAL_CODES = ("UNFOUNDED", "UNNECESSARY", "CONDITION CORRECTED", "GONE ON ARRIVAL")
REPORTED, ARREST_MADE = "REPORT PREPARED", "ARREST EFFECTED"
COURT_PARTS = ("PART A", "PART B", "PART C", "PART N", "TRIAL TERM")
WARRANT_REASONS = ("FAILURE TO APPEAR", "COMPLAINANT IDENTIFIED", "INDICTMENT", "PROBATION")
