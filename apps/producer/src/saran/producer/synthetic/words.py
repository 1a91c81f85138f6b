"""Words that made-up titles are put together from."""

from typing import Final

DEPARTMENTS: Final = (
    "Kitchen", "Garden", "Office", "Camping", "Bicycle", "Nursery", "Bathroom", "Workshop",
    "Travel", "Music", "Painting", "Sewing", "Fishing", "Hiking", "Running", "Yoga",
    "Dog", "Cat", "Aquarium", "Bird", "Car", "Motorcycle", "Photo", "Audio",
    "Gaming", "Network", "Lighting", "Bedroom", "Laundry", "Barbecue", "Party",
)  # fmt: skip
"""31 departments of eight categories each: the 248 categories of the Amazon products file."""

KINDS: Final[dict[str, tuple[str, ...]]] = {
    "Accessories": ("Holder", "Adapter", "Clip Set", "Cover", "Strap", "Stand"),
    "Supplies": ("Refill Pack", "Starter Kit", "Wipes", "Labels", "Tape", "Bags"),
    "Tools": ("Multi-Tool", "Scissors", "Brush", "Gauge", "Scraper", "Clamp"),
    "Sets": ("Gift Set", "Family Set", "Travel Set", "Beginner Set", "Deluxe Set", "Mini Set"),
    "Storage": ("Box", "Basket", "Shelf", "Organizer", "Pouch", "Rack"),
    "Care": ("Cleaner", "Spray", "Polish", "Cloth", "Oil", "Sponge"),
    "Parts": ("Filter", "Replacement Cable", "Screw Kit", "Bracket", "Battery", "Hose"),
    "Gifts": ("Mug", "Calendar", "Puzzle", "Notebook", "Poster", "Key Ring"),
}

ADJECTIVES: Final = (
    "Compact", "Heavy-Duty", "Foldable", "Classic", "Premium", "Lightweight", "Adjustable", "Portable",
    "Reusable", "Waterproof", "Ergonomic", "Modern", "Rustic", "Slim", "Extra Large", "Universal",
)  # fmt: skip
MATERIALS: Final = (
    "Bamboo", "Stainless Steel", "Cotton", "Silicone", "Oak", "Aluminium", "Canvas", "Glass",
    "Leather", "Ceramic", "Nylon", "Cork",
)  # fmt: skip
BRANDS: Final = (
    "Nordhavn", "Kelapa", "Brightwell", "Ostara", "Tanager", "Lumibo", "Quillmark", "Sarita",
    "Fernhill", "Odalys", "Harrowby", "Mirento", "Calder & Wick", "Zephyrine", "Bakti", "Tolliver",
)  # fmt: skip
COLOURS: Final = ("Black", "White", "Navy", "Sage Green", "Terracotta", "Grey", "Sand", "Burgundy")

GENRES: Final = (
    "Drama", "Comedy", "Thriller", "Horror", "Romance", "Action", "Crime", "Documentary", "Science Fiction",
    "Adventure", "Mystery", "Fantasy", "Family", "Animation", "Music", "History", "War", "Western",
)  # fmt: skip
"""In order of how many films have them."""
FILM_ADJECTIVES: Final = (
    "Silent", "Last", "Hidden", "Broken", "Golden", "Distant", "Crimson", "Endless", "Forgotten", "Paper",
    "Winter", "Burning", "Quiet", "Electric", "Hollow", "Wandering", "Second", "Secret", "Velvet", "Northern",
)  # fmt: skip
FILM_NOUNS: Final = (
    "Harbour", "Garden", "Letter", "Shadow", "River", "Orchestra", "Promise", "Mountain", "Stranger", "Mirror",
    "Island", "Summer", "Witness", "Crown", "Machine", "Daughter", "Station", "Horizon", "Market", "Lantern",
    "Tide", "Detective", "Voyage", "Kingdom",
)  # fmt: skip
FILM_PLACES: Final = (
    "Jakarta", "the North", "Tomorrow", "the Valley", "Room Nine", "the Moon", "Lisbon", "the Old Town",
    "Winter", "the Desert", "Surabaya", "the Lighthouse",
)  # fmt: skip
FIRST_NAMES: Final = (
    "Ayu", "Budi", "Clara", "Dewi", "Elias", "Farah", "Gustav", "Hana", "Ivan", "Jun", "Kirana", "Leo",
    "Maya", "Noel", "Oksana", "Putra", "Rania", "Sinta", "Theo", "Wulan",
)  # fmt: skip
LAST_NAMES: Final = (
    "Adler", "Bakhtiar", "Costa", "Darma", "Eriksen", "Fontaine", "Gunawan", "Hale", "Ibsen", "Junaidi",
    "Kowal", "Lestari", "Moreau", "Nakata", "Oyelaran", "Pratama", "Quist", "Rossi", "Santoso", "Tanaka",
)  # fmt: skip
STUDIOS: Final = ("Lantern Films", "Blue Gate", "Third Reel", "Monsoon Pictures", "Halfmoon", "Old Quay", "Meridian")
COUNTRIES: Final = ("USA", "UK", "Indonesia", "France", "Japan", "India", "South Korea", "Germany", "Spain", "Brazil")
THEMES: Final = (
    "Family secrets", "Coming of age", "Small-town mystery", "Heist gone wrong", "Love across borders",
    "Survival", "Power and corruption", "Friendship", "Revenge", "Time and memory",
)  # fmt: skip
