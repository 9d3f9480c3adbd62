"""The `report` component: a scheduled job from the same build as the page."""

from pathlib import Path

if __name__ == "__main__":
    text = Path(__file__).with_name("page.txt").read_text()
    print(f"the page has {len(text.split())} words")
