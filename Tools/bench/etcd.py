"""Elections on three etcd nodes over loopback, as a coordinator elected per request would be: LeaseGrant(TTL 10), then a transaction that puts a
fresh key if nobody did. Speaks gRPC (grpcio from PyPI) with the few messages written by hand, or else etcd's JSON gateway, which costs more.
"""
import asyncio, base64, http.client, json, os, shutil, socket, subprocess, time


def available():
    """Why it cannot run; None if it can."""
    return None if shutil.which('etcd') else 'etcd is not installed (Debian: etcd-server)'


# MARK: protobuf by hand

def varint(number):
    out = b''
    while True:
        low, number = number & 127, number >> 7
        out += bytes([low | (128 if number else 0)])
        if not number:
            return out


def number_field(field, value):
    return varint(field << 3) + varint(value) if value else b''


def bytes_field(field, value):
    return varint(field << 3 | 2) + varint(len(value)) + value


def parse(data):
    """Fields by number; lengths and varints are all that etcd's answers hold."""
    fields, at = {}, 0

    def read():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value
    while at < len(data):
        tag = read()
        if tag & 7 == 0:
            value = read()
        else:
            length = read()
            value, at = data[at:at + length], at + length
        fields.setdefault(tag >> 3, []).append(value)
    return fields


class GRPC:
    kind = 'gRPC'

    def __init__(self, endpoint):
        import grpc
        self.channel = grpc.aio.insecure_channel(endpoint, options=[('grpc.enable_http_proxy', 0), ('grpc.use_local_subchannel_pool', 1)])
        self.grants = self.channel.unary_unary('/etcdserverpb.Lease/LeaseGrant')
        self.transactions = self.channel.unary_unary('/etcdserverpb.KV/Txn')

    async def grant(self, seconds):
        return parse(await self.grants(number_field(1, seconds), timeout=20))[2][0]

    async def win(self, key, lease):
        """Whether the key was nobody's and is ours now."""
        compare = number_field(2, 1) + bytes_field(3, key) + varint(5 << 3) + varint(0)  # created at revision 0: not there
        put = bytes_field(2, bytes_field(1, key) + bytes_field(2, b'me') + number_field(3, lease))
        get = bytes_field(1, bytes_field(1, key))
        answer = await self.transactions(bytes_field(1, compare) + bytes_field(2, put) + bytes_field(3, get), timeout=20)
        return bool(parse(answer).get(2, [0])[0])

    async def close(self):
        await self.channel.close()


class Gateway:
    kind = 'JSON gateway'

    def __init__(self, endpoint):
        self.endpoint, self.free = endpoint, []

    def call(self, path, body):
        connection = self.free.pop() if self.free else http.client.HTTPConnection(self.endpoint, timeout=20)
        connection.request('POST', path, json.dumps(body))
        answer = json.loads(connection.getresponse().read())
        self.free.append(connection)
        return answer

    async def grant(self, seconds):
        return int((await asyncio.to_thread(self.call, '/v3/lease/grant', {'TTL': seconds}))['ID'])

    async def win(self, key, lease):
        name = base64.b64encode(key).decode()
        return (await asyncio.to_thread(self.call, '/v3/kv/txn', {
            'compare': [{'result': 'EQUAL', 'target': 'CREATE', 'key': name, 'create_revision': '0'}],
            'success': [{'request_put': {'key': name, 'value': 'bWU=', 'lease': str(lease)}}], 'failure': [{'request_range': {'key': name}}]})).get('succeeded', False)

    async def close(self):
        for connection in self.free:
            connection.close()


def client():
    try:
        import grpc  # noqa: F401
        return GRPC
    except ImportError:
        return Gateway


# MARK: the cluster

def port():
    with socket.socket() as one:
        one.bind(('127.0.0.1', 0))
        return one.getsockname()[1]


class Cluster:
    """Three nodes with their data under `folder`."""

    def __init__(self, folder, size=3):
        clients, peers = [port() for _ in range(size)], [port() for _ in range(size)]
        everyone = ','.join(f'e{i}=http://127.0.0.1:{peers[i]}' for i in range(size))
        self.endpoints, self.processes = [f'127.0.0.1:{p}' for p in clients], []
        self.log = open(os.path.join(folder, 'etcd.log'), 'wb')
        for i in range(size):
            listens, reached = f'http://127.0.0.1:{clients[i]}', f'http://127.0.0.1:{peers[i]}'
            self.processes.append(subprocess.Popen(
                ['etcd', '--name', f'e{i}', '--data-dir', os.path.join(folder, f'etcd{i}'), '--listen-client-urls', listens, '--advertise-client-urls', listens,
                 '--listen-peer-urls', reached, '--initial-advertise-peer-urls', reached, '--initial-cluster', everyone, '--initial-cluster-state', 'new',
                 '--log-level', 'error'], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log))

    def healthy(self):
        for endpoint in self.endpoints:
            connection = http.client.HTTPConnection(endpoint, timeout=2)
            connection.request('GET', '/health')
            if json.loads(connection.getresponse().read()).get('health') != 'true':
                return False
        return True

    def close(self):
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()
        self.log.close()


async def elections(cluster, at_once, seconds):
    """Milliseconds of each election held in `seconds`, and how long they took together."""
    clients = [client()(endpoint) for endpoint in cluster.endpoints]
    took, stop, run = [], time.monotonic() + seconds, f'{os.getpid()}-{time.time_ns()}'
    for number, one in enumerate(clients):  # connects
        await one.win(f'warm/{run}/{number}'.encode(), await one.grant(10))
    began = time.monotonic()

    async def hold(worker):
        number = 0
        while time.monotonic() < stop:
            number, one, start = number + 1, clients[(worker + number) % len(clients)], time.perf_counter()
            if not await one.win(f'el/{run}/{worker}/{number}'.encode(), await one.grant(10)):
                raise RuntimeError('a fresh key was somebody’s')
            took.append((time.perf_counter() - start) * 1000)
    await asyncio.gather(*(hold(worker) for worker in range(at_once)))
    seconds = time.monotonic() - began
    for one in clients:
        await one.close()
    return took, seconds
