"""The Python that Tools/lab runs in: a virtual environment with pinned packages, made once and stamped with what it was made of."""
import hashlib, os, pathlib, shutil, subprocess, sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOME = pathlib.Path(os.environ.get('MILLRACE_LAB_PYTHON', ROOT / '.build' / 'lab-python'))
WANTED = pathlib.Path(__file__).with_name('requirements.txt')


def stamp():
    return hashlib.sha256(WANTED.read_bytes() + sys.version.encode()).hexdigest()


def ensure():
    """Makes the environment if it is not there or was made of something else; its Python."""
    python, mark = HOME / 'bin' / 'python', HOME / 'made-of'
    if not (mark.exists() and mark.read_text() == stamp()):
        print(f'making {HOME} (once) …', file=sys.stderr)
        shutil.rmtree(HOME, ignore_errors=True)
        HOME.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, '-m', 'venv', HOME], check=True)
        subprocess.run([HOME / 'bin' / 'pip', 'install', '-q', '--disable-pip-version-check', '-r', WANTED], check=True, stdout=sys.stderr)
        mark.write_text(stamp())
    return python


def enter():
    """Goes on in the environment: the same script, the same arguments."""
    if pathlib.Path(sys.prefix) != HOME.resolve():
        python = ensure()
        os.execv(python, [str(python), *sys.argv])
