"""``python -m app`` is ``vitrine``."""

from app.cli import main

if __name__ == "__main__":
    main()
