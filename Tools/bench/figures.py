"""What all benchmarks share: CPU and memory of processes, the disk's own speed, and figures against their targets, shown as a table or JSON.

A figure keeps all its values and shows their median with the least and the most: one run on a busy machine says little.
"""
import argparse, json, os, pathlib, platform, statistics, subprocess, sys, tempfile, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'harness'))
TICK = os.sysconf('SC_CLK_TCK')


def options(description, **defaults):
    """Every benchmark's command line: `--json`, and a number for each of `defaults`."""
    parser = argparse.ArgumentParser(description=description.split('\n')[0])
    parser.add_argument('--json', action='store_true', help='one JSON object on standard output')
    for name, value in defaults.items():
        parser.add_argument(f'--{name}', type=type(value), default=value, help=f'default {value}')
    favour('self')
    return parser.parse_args()


def say(*words):
    """Progress, on standard error."""
    print(*words, file=sys.stderr, flush=True)


def percentile(values, share):
    """Nearest rank, the usual median for a half; share in 0…1."""
    if share == 0.5:
        return statistics.median(values)
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, max(0, round(share * len(ranked) + 0.5) - 1))]


# MARK: processes

def favour(pid):
    """Gives a process's session more of a machine that others use too; root alone may. The benchmark does so for both sides."""
    if os.geteuid() == 0 and os.path.exists(f'/proc/{pid}/autogroup'):
        pathlib.Path(f'/proc/{pid}/autogroup').write_text('-10')


def stat(pid):
    return pathlib.Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()


def children(pid):
    return [int(child) for child in subprocess.run(['pgrep', '-P', str(pid)], capture_output=True, text=True).stdout.split()]


def cpu(pid):
    """CPU seconds of a process, of the children that it has waited for, and of those that live; none is missed or counted twice."""
    while True:
        living = children(pid)
        try:
            spent = sum(cpu(child) for child in living) + sum(int(field) for field in stat(pid)[11:15]) / TICK
        except OSError:
            return 0.0
        if children(pid) == living:
            return spent


def pss(pid):
    """Proportional set size in MiB: shared pages count by share."""
    lines = pathlib.Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith('Pss:')) / 1024


def metric(peer, name):
    """The sum over a metric's samples at a peer's /metrics."""
    return sum(float(line.split()[-1]) for line in peer.get('/metrics').splitlines() if line.startswith(name) and line[len(name)] in ' {')


def settle(overlay, deadline=120):
    """Until every peer has measured its machine, for which it busies a worker at its first start."""
    from overlay import wait_for
    for peer in overlay.peers.values():
        favour(peer.process.pid)  # each has a session of its own
    for peer in overlay.peers.values():
        wait_for(lambda: metric(peer, 'millrace_workers') == 0, deadline, f'{peer.name} has measured its machine')


def fdatasync_ms(folder, count=60):
    """What one small append with fdatasync costs on the disk that holds `folder`: a list of milliseconds."""
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        took = []
        for _ in range(count):
            began = time.perf_counter()
            os.write(file.fileno(), b'x' * 4096)
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - began) * 1000)
    return took


# MARK: figures

class Report:
    """Figures of one benchmark, in the order in which they were added."""

    def __init__(self, title):
        self.title, self.figures, self.notes = title, [], []
        self.machine = {'cores': os.cpu_count(), 'kernel': platform.release(), 'load_at_start': round(os.getloadavg()[0], 2),
                        'date': time.strftime('%Y-%m-%d %H:%M'), 'build': pathlib.Path(os.environ.get('MILLRACE_BUILD', 'debug')).name}

    def add(self, name, values, unit, at_most=None, at_least=None, share=0.5, digits=2):
        """`values`: one or several; the figure is their `share` quantile (the median by default)."""
        values = list(values) if isinstance(values, (list, tuple)) else [values]
        if not values:
            raise SystemExit(f'{name}: nothing was measured')
        value = percentile(values, share)
        target = at_most if at_most is not None else at_least
        met = None if target is None else (value <= at_most if at_most is not None else value >= at_least)
        self.figures.append({'figure': name, 'value': round(value, digits), 'least': round(min(values), digits), 'most': round(max(values), digits),
                             'count': len(values), 'unit': unit, 'target': None if target is None else round(target, digits),
                             'is_upper_bound': at_most is not None, 'met': met})
        return value

    def note(self, text):
        """What a reader must know of the figures, or what holds them back."""
        self.notes.append(text)

    def show(self, as_json):
        self.machine['load_at_end'] = round(os.getloadavg()[0], 2)
        if as_json:
            print(json.dumps({'title': self.title, 'machine': self.machine, 'figures': self.figures, 'notes': self.notes}))
            return
        print(f"{self.title}\n{self.machine['date']}, {self.machine['cores']} cores, {self.machine['build']} build, "
              f"load {self.machine['load_at_start']} → {self.machine['load_at_end']}\n")
        rows = [('figure', 'value', 'least … most', 'n', 'target', '')]
        for f in self.figures:
            sign = '' if f['target'] is None else ('≤ ' if f['is_upper_bound'] else '≥ ')
            rows.append((f['figure'], f"{f['value']:g} {f['unit']}", f"{f['least']:g} … {f['most']:g}" if f['count'] > 1 else '', str(f['count']),
                         '' if f['target'] is None else f"{sign}{f['target']:g}", {None: '', True: 'met', False: 'missed'}[f['met']]))
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        for row in rows:
            print('  '.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
        for note in self.notes:
            print(f'\n- {note}' if note == self.notes[0] else f'- {note}')
