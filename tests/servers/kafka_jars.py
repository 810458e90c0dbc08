"""Gets Apache Kafka's server from Maven's repository, once: `python -m tests.servers.kafka_jars`.

46 MB into build/, for the tests that need a real broker; without it, or without Java, they are skipped.
"""

import errno
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

VERSION = "3.9.1"
"""Runs on Java 11 and newer, which every Debian since bullseye has."""
ROOT = Path(__file__).parents[2]
JARS = ROOT / "build" / f"kafka-{VERSION}"

POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>importer.tests</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{version}</version>
    </dependency>
  </dependencies>
</project>
"""


def why_no_broker() -> str:
    """Return why a test cannot have a real broker, empty if it can."""
    if shutil.which("java") is None:
        return "java is not installed (apt-get install default-jre-headless)"
    return "" if JARS.is_dir() else "Kafka's jars are not here (python -m tests.servers.kafka_jars)"


def main(jars: Path = JARS) -> int:
    """Copy the jars, all or none of them, unless they are there; say in a line why that cannot be done.

    Another run may do the same meanwhile: the one that is done first counts.
    """
    if jars.is_dir():
        return 0
    if shutil.which("mvn") is None:
        print("tests that need a real Kafka broker are skipped: mvn is not installed (apt-get install maven)")
        return 0
    jars.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=jars.parent, prefix=f"{jars.name}.part-") as directory:
        unfinished = Path(directory) / jars.name
        unfinished.mkdir()
        if not _copy_jars(unfinished):
            print("tests that need a real Kafka broker are skipped: mvn cannot get it from its repository")
            return 0
        _put_in_place(unfinished, jars)
    return 0


def _copy_jars(directory: Path) -> bool:
    """Let Maven copy the jars into a directory; return whether it could."""
    (directory / "pom.xml").write_text(POM.format(version=VERSION))
    command = ["mvn", "--quiet", "--batch-mode", "dependency:copy-dependencies", "-DoutputDirectory=."]
    done = subprocess.run(command, cwd=directory, stdout=subprocess.DEVNULL, check=False, timeout=300)
    return done.returncode == 0


def _put_in_place(unfinished: Path, jars: Path) -> None:
    try:
        unfinished.rename(jars)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:  # which say that another run was done first
            raise


if __name__ == "__main__":
    raise SystemExit(main())
