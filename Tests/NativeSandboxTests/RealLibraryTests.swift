import Execution
import Testing

@testable import NativeSandbox

@Suite(
    "Libraries in real sandboxes",
    .tags(.kernel),
    .realBackend,
    .enabled(if: RealHost.obstacle == nil, "\(RealHost.obstacle ?? "")")
)
struct RealLibraryTests {
    /// Programs that print `ok` when what they need works under the filter.
    private static let standard: [(String, String)] = [
        (
            "threads",
            """
            import threading
            t=[threading.Thread(target=sum,args=([1],)) for _ in range(8)]
            [x.start() for x in t]
            [x.join() for x in t]
            print('ok')
            """
        ),
        (
            "fork pool",
            """
            import multiprocessing as m
            with m.Pool(2) as p: print('ok' if p.map(abs,[-1,2])==[1,2] else 'no')
            """
        ),
        (
            "spawned processes",
            """
            import concurrent.futures as c, multiprocessing as m
            if __name__ == '__main__':
              with c.ProcessPoolExecutor(2, m.get_context('spawn')) as p:
                print('ok' if list(p.map(abs,[-3]))==[3] else 'no')
            """
        ),
        (
            "fork server",
            """
            import multiprocessing as m
            if __name__ == '__main__':
              c=m.get_context('forkserver')
              with c.Pool(1) as p: print('ok' if p.map(abs,[-3])==[3] else 'no')
            """
        ),
        (
            "shared memory",
            """
            from multiprocessing import shared_memory as s
            m=s.SharedMemory(create=True,size=100)
            m.buf[0]=7
            n=s.SharedMemory(m.name)
            print('ok' if n.buf[0]==7 else 'no')
            n.close()
            m.close()
            m.unlink()
            """
        ),
        (
            "queues and locks",
            """
            import multiprocessing as m
            q=m.Queue()
            p=m.Process(target=q.put,args=('ok',))
            p.start()
            print(q.get())
            p.join()
            """
        ),
        (
            "ZeroMQ between processes",
            """
            import zmq
            c=zmq.Context()
            a,b=c.socket(zmq.PAIR),c.socket(zmq.PAIR)
            a.bind('ipc:///tmp/zeromq')
            b.connect('ipc:///tmp/zeromq')
            b.send(b'ok')
            print(a.recv().decode())
            c.destroy(0)
            """
        ),
        (
            "subprocess",
            """
            import subprocess as s
            print(s.run(['sh','-c','cat; echo k'],input=b'o',stdout=s.PIPE).stdout.decode().strip())
            """
        ),
        (
            "own interpreter",
            """
            import subprocess as s, sys
            print(s.check_output([sys.executable,'-c','print("ok")'],text=True).strip())
            """
        ),
        (
            "shell pipes",
            """
            import os
            os.system('echo ok | cat | grep ok')
            """
        ),
        (
            "asyncio",
            """
            import asyncio
            async def f():
              p=await asyncio.create_subprocess_exec('echo','ok',stdout=-1)
              print((await p.communicate())[0].decode().strip())
            asyncio.run(f())
            """
        ),
        (
            "loopback server",
            """
            import asyncio
            async def h(r,w): w.write(b'ok'); w.close()
            async def f():
              s=await asyncio.start_server(h,'127.0.0.1',8080)
              r,w=await asyncio.open_connection('localhost',8080)
              print((await r.read()).decode())
            asyncio.run(f())
            """
        ),
        (
            "loopback over version 6",
            """
            import socket
            s=socket.create_server(('::1',9090),family=socket.AF_INET6)
            c=socket.create_connection(('::1',9090))
            print('ok')
            """
        ),
        (
            "unix sockets",
            """
            import socket
            a,b=socket.socketpair()
            a.send(b'ok')
            print(b.recv(2).decode())
            s=socket.socket(socket.AF_UNIX)
            s.bind('/tmp/s')
            """
        ),
        (
            "sqlite3",
            """
            import sqlite3
            c=sqlite3.connect('a.db')
            c.execute('create table t(a)')
            c.execute('insert into t values(1)')
            c.commit()
            print('ok' if c.execute('select a from t').fetchone()==(1,) else 'no')
            """
        ),
        (
            "ssl",
            """
            import ssl
            c=ssl.create_default_context()
            print('ok' if ssl.RAND_bytes(4) else 'no')
            """
        ),
        (
            "hashes and random numbers",
            """
            import hashlib,secrets
            hashlib.sha256(secrets.token_bytes(9))
            print('ok')
            """
        ),
        (
            "temporary files",
            """
            import tempfile
            with tempfile.NamedTemporaryFile() as f: f.write(b'x')
            with tempfile.TemporaryFile() as f: f.write(b'x')
            with tempfile.TemporaryDirectory(): pass
            print('ok')
            """
        ),
        (
            "pseudo terminals",
            """
            import pty,os,sys
            p,f=pty.fork()
            if p==0:
              os.execvp('sh',['sh','-c','test -t 0 && stty size >/dev/null && echo ok'])
            print(os.read(f,99).decode().strip())
            """
        ),
        (
            "memory maps",
            """
            import mmap
            m=mmap.mmap(-1,4096)
            m[0]=1
            print('ok')
            """
        ),
        (
            "signals and timers",
            """
            import signal,time
            signal.signal(signal.SIGALRM,lambda *a: print('ok'))
            signal.setitimer(signal.ITIMER_REAL,0.01)
            signal.pause()
            """
        ),
        (
            "users and groups",
            """
            import os,pwd,grp
            user,group=pwd.getpwuid(os.getuid()).pw_name,grp.getgrgid(os.getgid()).gr_name
            print('ok' if (user,group,os.path.expanduser('~'))==('user','user','/home/user') else 'no')
            """
        ),
        (
            "name look-ups fail at once",
            """
            import socket,time
            t=time.monotonic()
            try: socket.getaddrinfo('example.com',80)
            except socket.gaierror: print('ok' if time.monotonic()-t<2 else 'slow')
            """
        ),
        (
            "connections fail at once",
            """
            import socket
            try: socket.create_connection(('192.0.2.1',80),3)
            except OSError as e: print('ok' if e.errno==101 else e)
            """
        ),
        (
            "archives",
            """
            import zipfile,tarfile,shutil
            open('a','w').write('x')
            shutil.make_archive('/tmp/z','zip','.')
            shutil.make_archive('/tmp/z','gztar','.')
            print('ok')
            """
        ),
        (
            "copies and links",
            """
            import os,shutil
            open('a','w').write('x')
            shutil.copy2('a','b')
            os.link('a','c')
            os.symlink('a','d')
            os.rename('b','e')
            os.replace('e','f')
            print('ok' if open('d').read()=='x' else 'no')
            """
        ),
        (
            "time zones",
            """
            import zoneinfo,datetime
            t=datetime.datetime(2024,7,1,tzinfo=zoneinfo.ZoneInfo('Europe/Berlin'))
            print('ok' if t.utcoffset().seconds==7200 else 'no')
            """
        ),
    ]

    @Test("of the standard work", arguments: standard)
    func standardLibrary(name: String, code: String) async throws {
        let report = try await execute(code)
        #expect(report.stdout == "ok\n", "\(name): \(report.stderr)")
        #expect(report.outcome.ending == .exited(0))
    }

    private static let scientific: [(String, String)] = [
        (
            "numpy",
            """
            import numpy as n
            a=n.random.rand(300,300)
            n.linalg.svd(a)
            print('ok' if n.allclose(n.linalg.inv(a)@a,n.eye(300),atol=1e-3) else 'no')
            """
        ),
        (
            "pandas",
            """
            import pandas as p
            d=p.DataFrame({'a':[1,2,1],'b':[1.,2.,3.]})
            d.to_csv('a.csv')
            d.to_excel('a.xlsx')
            print('ok' if d.groupby('a').b.sum()[1]==4 else 'no')
            """
        ),
        (
            "matplotlib",
            """
            import matplotlib.pyplot as p
            p.plot([1,2],[3,4])
            p.title('标题')
            p.savefig('a.png')
            p.savefig('a.svg')
            p.savefig('a.pdf')
            print('ok')
            """
        ),
        (
            "scipy",
            """
            import scipy.optimize as o, scipy.integrate as i
            print('ok' if abs(o.brentq(lambda x:x*x-2,0,2)-2**.5)<1e-9 and i.quad(lambda x:x,0,1)[0]>.49 else 'no')
            """
        ),
        (
            "scikit-learn",
            """
            from sklearn.datasets import load_iris
            from sklearn.ensemble import RandomForestClassifier as R
            x,y=load_iris(return_X_y=True)
            print('ok' if R(20,n_jobs=2).fit(x,y).score(x,y)>.9 else 'no')
            """
        ),
        (
            "sympy",
            """
            import sympy as s
            x=s.Symbol('x')
            print('ok' if s.integrate(2*x,x)==x**2 else 'no')
            """
        ),
        (
            "pillow",
            """
            from PIL import Image
            Image.new('RGB',(9,9)).save('a.jpg')
            print('ok')
            """
        ),
        (
            "opencv",
            """
            import cv2,numpy
            cv2.imwrite('a.png',cv2.GaussianBlur(numpy.zeros((50,50,3),'uint8'),(5,5),0))
            print('ok')
            """
        ),
    ]

    @Test(
        "of science work",
        .enabled(if: RealHost.hasScientificStack, "needs numpy and its like in the environment"),
        arguments: scientific
    )
    func scientificLibraries(name: String, code: String) async throws {
        var limits = ExecutionLimits.test
        limits.cpuTime = .seconds(15)
        let report = try await execute(code, kind: .full, limits: limits)
        #expect(report.stdout == "ok\n", "\(name): \(report.stderr)")
    }
}

@Suite(
    "Limits without cgroups",
    .tags(.kernel),
    .realBackend,
    .enabled(if: RealHost.obstacle == nil && !RealHost.countsForSandboxes, "needs a host without usable cgroups")
)
struct RealFallbackTests {
    @Test("the kernel refuses memory beyond the limit of a process")
    func memory() async throws {
        let report = try await execute("try: x = bytearray(600 << 20)\nexcept MemoryError: print('refused')")
        #expect(report.stdout == "refused\n")
    }

    @Test("no memory can be had that belongs to no process")
    func sharedMemory() async throws {
        let code = """
            import mmap, os
            try: mmap.mmap(-1, 2 << 30)
            except OSError as error: print(error.errno)
            try: os.memfd_create('a')
            except OSError as error: print(error.errno)
            """
        #expect(try await execute(code).stdout == "12\n1\n")
    }

    @Test("the kernel ends a process whose CPU time is up")
    func processorTime() async throws {
        var settings = RealHost.settings(try #require(RealHost.environment))
        settings.cpuTimeLimitSeconds = 1
        try await RealBackend.with(settings) { backend in
            try await RealBackend.$current.withValue(backend) { try await checkProcessorTime() }
        }
    }

    private func checkProcessorTime() async throws {
        let report = try await execute("while True: pass")
        #expect(report.outcome.ending == .cpuLimit)
        #expect(report.outcome.cpuTime == nil)
    }
}
