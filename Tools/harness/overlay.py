"""An overlay of real peers on this machine, as processes of their own: what the demo, the end-to-end tests and the benchmarks start.

Every wait is for a condition, with a deadline. Only processes started here are ended, by their id.
"""
import contextlib, json, os, pathlib, shutil, signal, socket, subprocess, sys, tempfile, threading, time, urllib.error, urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get('MILLRACE_BUILD', ROOT / '.build' / 'debug'))
MILLRACE = BUILD / 'millrace'


class Timeout(AssertionError):
    pass


def wait_for(condition, deadline, what, every=0.05):
    """The first truthy value of condition(), polled; Timeout with `what` and the last value otherwise."""
    end, last = time.monotonic() + deadline, None
    while time.monotonic() < end:
        try:
            last = condition()
            if last:
                return last
        except (OSError, urllib.error.URLError, json.JSONDecodeError, KeyError) as error:
            last = error
        time.sleep(every)  # polling
    raise Timeout(f'{what} did not happen within {deadline} s; last seen: {str(last)[:2000]}')


@contextlib.contextmanager
def undisturbed():
    """Signals that the program hears come after the block: one between a process's start and its being noted would leave it behind."""
    came, handlers = [], {}
    if threading.current_thread() is threading.main_thread():  # others are never interrupted
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        handlers = {number: handler for number, handler in handlers.items() if callable(handler)}
    try:
        for number in handlers:
            signal.signal(number, lambda *call: came.append(call))
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for number, frame in came:
        handlers[number](number, frame)


def free_port(host='127.0.0.1'):
    """A port number that is free for both TCP and UDP."""
    for _ in range(100):
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind((host, 0))
            port = tcp.getsockname()[1]
            try:
                udp.bind((host, port))
                return port
            except OSError:
                continue
    raise OSError('no free port')


class Answer(Exception):
    """An HTTP answer that is not a success."""

    def __init__(self, status, body):
        super().__init__(f'HTTP {status}: {body[:2000]}')
        self.status, self.body = status, body
        try:
            self.problem = json.loads(body)
        except ValueError:
            self.problem = {}


class Peer:
    def __init__(self, overlay, name, host, config, prefix=()):
        self.overlay, self.name, self.host, self.prefix = overlay, name, host, list(prefix)
        self.folder = overlay.folder / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.listen = config.pop('listen', None) or f'{host}:{free_port(host) if not prefix else 7400}'
        self.portal = config.pop('portal', None) or f'{host}:{free_port(host) if not prefix else 8400}'
        self.config, self.process, self.is_leaving = config, None, False
        self.id = subprocess.run([MILLRACE, 'keys', 'new', '--data', self.folder], check=True, capture_output=True, text=True
                                 ).stdout.split()[0]

    @property
    def address(self):
        return f'{self.listen}#{self.id}'

    @property
    def url(self):
        return f'http://{self.portal}'

    def start(self, join=()):
        config = dict(overlay='test', data=str(self.folder), listen=self.listen, portal=self.portal, join=list(join), **self.config)
        path = self.folder / 'node.yaml'
        path.write_text(json.dumps(config, indent=1))  # JSON is YAML
        self.log = open(self.folder / 'log', 'ab')
        self.is_leaving = False
        with undisturbed():
            self.process = subprocess.Popen([*self.prefix, MILLRACE, 'node', '--config', path], stdout=self.log, stderr=self.log,
                                            stdin=subprocess.DEVNULL, start_new_session=True)
        return self

    def request(self, method, path, body=None, headers=None, timeout=20):
        """The decoded JSON answer (or text); Answer for anything but 2xx."""
        data = body.encode() if isinstance(body, str) else body
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers or {})
        if data is not None and 'Content-Type' not in (headers or {}):
            request.add_header('Content-Type', 'application/yaml')
        opener = self.overlay.opener(self)
        try:
            with opener(request, timeout) as response:
                text = response.read().decode()
                return json.loads(text) if 'json' in response.headers.get('Content-Type', '') else text
        except urllib.error.HTTPError as error:
            raise Answer(error.code, error.read().decode(errors='replace')) from None

    def get(self, path, **options):
        return self.request('GET', path, **options)

    def ready(self, deadline=30):
        def healthy():
            if self.process.poll() is not None:
                raise AssertionError(f'{self.name} ended with {self.process.returncode}: {self.tail()}')
            return self.get('/healthz')
        return wait_for(healthy, deadline, f'{self.name} answers /healthz')

    def tail(self, size=3000):
        with contextlib.suppress(OSError):
            return (self.folder / 'log').read_text(errors='replace')[-size:]
        return ''

    def alive_members(self):
        return [m for m in self.get('/v1/overlay')['members'] if m['state'] == 'alive']

    def workers(self):
        """Process ids of this peer's workers."""
        children = subprocess.run(['pgrep', '-P', str(self.process.pid)], capture_output=True, text=True).stdout.split()
        return [int(pid) for pid in children]

    def kill(self, how=signal.SIGKILL):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)

    def leave(self):
        """Asks it once to end in good order: asked twice, a node ends at once and leaves its workers to notice."""
        if not self.is_leaving:
            self.is_leaving = True
            self.kill(signal.SIGTERM)

    def stop(self, deadline=10):
        if not self.process:
            return
        self.leave()
        try:
            self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        # Those of a killed node end by themselves, a moment later.
        wait_for(lambda: not session(self.process.pid), deadline, f'the workers of {self.name} end', every=0.01)
        self.log.close()


def session(leader):
    """Processes, by id, of the session that a process began."""
    found = []
    for folder in pathlib.Path('/proc').glob('[0-9]*'):
        with contextlib.suppress(OSError):
            state, _, _, number, *_ = (folder / 'stat').read_text().rpartition(')')[2].split()
            if int(number) == leader and state != 'Z':
                found.append(int(folder.name))
    return found


class Overlay:
    """Peers by name; removes what it made."""

    def __init__(self, keep=False):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='millrace-'))
        self.peers, self.keep = {}, keep

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __getitem__(self, name):
        return self.peers[name]

    def opener(self, peer):
        return lambda request, timeout: urllib.request.urlopen(request, timeout=timeout)

    def add(self, name, host='127.0.0.1', prefix=(), **config):
        peer = self.peers[name] = Peer(self, name, host, config, prefix)
        return peer

    def start(self, bootstrap=None, deadline=40):
        """Starts all peers; the others join through the first (or through those named). Returns when all see all."""
        seeds = [self.peers[name] for name in bootstrap] if bootstrap else [next(iter(self.peers.values()))]
        for peer in self.peers.values():
            peer.start(join=[seed.address for seed in seeds if seed is not peer])
        for peer in self.peers.values():
            peer.ready(deadline)
        self.wait_complete(deadline)
        return self

    def wait_complete(self, deadline=40):
        running = [p for p in self.peers.values() if p.process and p.process.poll() is None]
        for peer in running:
            def complete():
                members = peer.alive_members()
                return len(members) == len(running) and all(m.get('load') for m in members)
            wait_for(complete, deadline, f'{peer.name} sees {len(running)} members with their load')

    def by_id(self, node):
        return next((p for p in self.peers.values() if p.id == node), None)

    def close(self):
        for peer in self.peers.values():
            peer.leave()
        for peer in self.peers.values():
            peer.stop()
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)


def make_source(path, seconds=20, size='640x360', rate=30, audio=True, captions=True, extra=(), pattern='testsrc2'):
    """A test source made by one ffmpeg process: moving pattern, tone, a caption every two seconds."""
    path = pathlib.Path(path)
    inputs, maps, codecs = ['-f', 'lavfi', '-i', f'{pattern}=size={size}:rate={rate}'], ['-map', '0:v'], ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '60', '-pix_fmt', 'yuv420p']
    count = 1
    if audio:
        inputs += ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=44100']
        maps += ['-map', f'{count}:a']
        codecs += ['-c:a', 'aac', '-b:a', '96k', '-ac', '2']
        count += 1
    if captions:
        srt = path.with_suffix('.srt')
        stamp = lambda t: f'{t // 3600:02d}:{t // 60 % 60:02d}:{t % 60:02d},000'
        srt.write_text('\n'.join(f'{i + 1}\n{stamp(t)} --> {stamp(t + 1)},\nCaption {i + 1}\n'.replace(',000,', ',000')
                                 for i, t in enumerate(range(1, max(2, int(seconds) - 1), 2))))
        inputs += ['-i', str(srt)]
        maps += ['-map', f'{count}:s']
        codecs += ['-c:s', 'srt']
    subprocess.run(['ffmpeg', '-v', 'error', '-y', *inputs, *maps, '-t', str(seconds), *codecs, *extra, str(path)], check=True)
    return path


def probe(path, *entries):
    """ffprobe's JSON of a file, frames counted."""
    done = subprocess.run(['ffprobe', '-v', 'error', '-count_packets', '-show_streams', '-show_format', '-of', 'json', *entries, str(path)],
                          check=True, capture_output=True, text=True)
    return json.loads(done.stdout)
