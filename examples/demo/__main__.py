"""`python -m examples.demo`: exits 0 only when every claim held; nothing is left running."""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from examples.demo import narration, stage, story


async def _play(folder: Path) -> int:
    narrator = narration.Narrator()
    try:
        async with stage.Stage(folder) as set_up:
            await story.Story(set_up, narrator).tell()
        await story.check_nothing_is_left(folder, narrator)
    except narration.ClaimBroken as broken:
        narrator.broken(broken, stage.last_lines(folder))
        return 1
    narrator.end()
    return 0


def main() -> int:
    """Play the demo in a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="push-to-deploy-demo-"))
    try:
        return asyncio.run(_play(folder))
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
