# SPDX-License-Identifier: MIT
"""Hostile files, as bytes. Nothing here loads one: the payloads would only
touch a file called `owned`, but they stay payloads.

cases() gives {name: bytes}; every one of them would import or call something
dangerous in some loader, or hides that it would. benign() gives files with
nothing to find."""
import base64
import bz2
import gzip
import io
import lzma
import pickle
import struct
import tarfile
import zipfile
import zlib

COMMAND = "touch owned"
MAGIC = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
VERSION = b"\x80\x02M\xe9\x03."
SYSTEM_INFO = b"\x80\x02}q\x00."


def text(value):
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def short(value):
    data = value.encode()
    return b"\x8c" + bytes([len(data)]) + data


def call(module, name, *arguments, end=b"."):
    """GLOBAL and REDUCE, protocol 2."""
    return (b"\x80\x02" + f"c{module}\n{name}\n".encode() + b"(" +
            b"".join(map(text, arguments)) + b"tR" + end)


def stack_call(module, name, *arguments):
    """STACK_GLOBAL and REDUCE, protocol 4."""
    return (b"\x80\x04" + short(module) + b"\x94" + short(name) + b"\x94\x93"
            b"(" + b"".join(map(short, arguments)) + b"tR.")


def values(data):
    """Bytes as a value of protocol 3."""
    return b"B" + struct.pack("<I", len(data)) + data


SYSTEM = call("posix", "system", COMMAND)

# One function each of what scanners know as dangerous.
NAMES = """posix.system os.system nt.system os.popen os.execv os.spawnl
    subprocess.Popen subprocess.check_output subprocess.run
    _posixsubprocess.fork_exec commands.getoutput pty.spawn
    multiprocessing.Process pexpect.run builtins.eval builtins.exec
    builtins.compile builtins.open builtins.getattr builtins.setattr
    builtins.__import__ builtins.globals builtins.breakpoint builtins.input
    builtins.delattr builtins.vars builtins.memoryview builtins.apply
    __builtin__.eval __builtin__.exec __builtin__.compile __builtin__.open
    __builtin__.getattr __builtin__.apply __builtin__.execfile
    __builtin__.file __builtin__.reload sys.exit sys.settrace
    socket.socket socket.create_connection ssl.get_server_certificate
    shutil.rmtree shutil.copy runpy._run_code runpy.run_path
    importlib.import_module importlib.util.spec_from_file_location
    _frozen_importlib._call_with_frames_removed ctypes.CDLL
    ctypes.cdll.LoadLibrary _ctypes.dlopen pickle.loads pickle.load
    _pickle.loads _pickle.load cPickle.loads dill.loads cloudpickle.loads
    cloudpickle.cloudpickle._make_function cloudpickle.cloudpickle.subimport
    joblib.load torch.hub.load torch.load torch.serialization.load
    torch.storage._load_from_bytes torch.jit.load torch.compile
    torch._dynamo.guards.GuardBuilder.get
    torch._inductor.codecache.compile_file
    torch.fx.experimental.symbolic_shapes.ShapeEnv.evaluate_guards_expression
    torch.jit.unsupported_tensor_ops.execWrapper
    torch.utils._config_module.ConfigModule.load_config
    torch.utils.bottleneck.__main__.run_cprofile
    torch.utils.bottleneck.__main__.run_autograd_prof
    torch.utils.collect_env.run
    torch.utils.data.datapipes.utils.decoder.basichandlers
    torch.distributed.elastic.rendezvous.api.basichandlers
    webbrowser.open pip.main pip._internal.main ensurepip._run_pip
    asyncio.create_subprocess_shell
    asyncio.unix_events._UnixSubprocessTransport._start
    code.InteractiveInterpreter.runcode codeop.compile_command
    timeit.timeit timeit.main cProfile.run cProfile.runctx profile.run
    pdb.run pdb.Pdb bdb.Bdb bdb.Bdb.run trace.Trace.run trace.Trace.runctx
    idlelib.autocomplete.AutoComplete.get_entity
    idlelib.autocomplete.AutoComplete.fetch_completions
    idlelib.calltip.Calltip.fetch_tip idlelib.calltip.get_entity
    idlelib.debugobj.ObjectTreeItem.SetText
    idlelib.pyshell.ModifiedInterpreter.runcode
    idlelib.pyshell.ModifiedInterpreter.runcommand
    idlelib.run.Executive.runcode doctest.debug_script
    numpy.testing._private.utils.runstring numpy.f2py.crackfortran.getlincoef
    numpy.f2py.crackfortran._eval_length
    numpy.distutils.exec_command.exec_command
    numpy.load lib2to3.pgen2.grammar.Grammar.loads
    lib2to3.pgen2.pgen.ParserGenerator.make_label
    pkgutil.resolve_name operator.attrgetter operator.itemgetter
    operator.methodcaller _operator.attrgetter _operator.itemgetter
    _operator.methodcaller functools.partial functools.reduce
    types.CodeType types.FunctionType marshal.loads inspect.getattr_static
    gc.get_objects site.main unittest.main
    test.support.script_helper.assert_python_ok
    httplib.HTTPSConnection http.client.HTTPSConnection urllib.request.urlopen
    urllib2.urlopen requests.get requests.api.get aiohttp.client.ClientSession
    smtplib.SMTP imaplib.IMAP4_stream ftplib.FTP poplib.POP3 telnetlib.Telnet
    nntplib.NNTP socketserver.TCPServer xmlrpc.client.ServerProxy
    tempfile.mkstemp filecmp.cmp distutils.file_util.write_file
    pydoc.pipepager pydoc.locate venv.create signal.raise_signal
    threading.Thread _thread.start_new_thread atexit.register sqlite3.connect
    _sqlite3.connect fileinput.input glob.glob platform.popen
    linecache.getlines difflib.context_diff compileall.compile_file
    py_compile.compile mmap.mmap select.select selectors.DefaultSelector
    logging.FileHandler logging.config.dictConfig syslog.syslog
    tarfile.open zipfile.ZipFile shelve.open uuid._get_command_stdout
    _osx_support._read_output _aix_support._read_cmd_output
    _pyrepl.pager.pipe_pager io.FileIO _io.FileIO io.open _io.open
    fickling.hook.remove_hook picklescan.scanner.scan_bytes
    modelscan.modelscan.ModelScan modelaudit.core.scan
    zipimport.zipimporter _imp.create_dynamic
    torch.utils.cpp_extension.load_inline torch.package.PackageImporter
    torch.classes.load_library numpy.ctypeslib.load_library
    pandas.read_pickle keras.models.load_model""".split()


def named():
    for name in NAMES:
        module, _, last = name.rpartition(".")
        yield f"name-{name}.pkl", call(module, last, COMMAND)


def opcodes():
    """Every way to import and to call."""
    yield "op-reduce-0.pkl", b"cposix\nsystem\n(S'touch owned'\ntR."
    yield "op-reduce-2.pkl", SYSTEM
    yield "op-stack-global.pkl", stack_call("posix", "system", COMMAND)
    yield "op-inst.pkl", b"(S'touch owned'\niposix\nsystem\n."
    yield "op-obj.pkl", b"(cposix\nsystem\nS'touch owned'\no."
    yield "op-newobj.pkl", (b"\x80\x02csubprocess\nPopen\n" +
                            text(COMMAND) + b"\x85\x81.")
    yield "op-newobj-ex.pkl", (b"\x80\x04" + short("subprocess") +
                               short("Popen") + b"\x93" + short(COMMAND) +
                               b"\x85}\x92.")
    yield "op-build.pkl", (b"\x80\x02csome_module\nThing\n)\x81}" +
                           text("x") + text(COMMAND) + b"sb.")
    yield "op-build-global.pkl", (b"\x80\x02cposix\nsystem\n}" + text("x") +
                                  text("y") + b"sb.")
    yield "op-import-alone.pkl", b"\x80\x02cposix\nsystem\n."
    yield "op-import-dropped.pkl", b"\x80\x02cposix\nsystem\n0N."
    yield "op-ext1.pkl", b"\x80\x02\x82\x01(" + text(COMMAND) + b"tR."
    yield "op-ext4.pkl", b"\x80\x02\x84\x01\0\0\0(" + text(COMMAND) + b"tR."
    yield "op-setitem-global.pkl", (b"\x80\x02csys\nmodules\n" + text("os") +
                                    b"Ns.")
    yield "op-memo.pkl", (b"\x80\x04" + short("system") + b"\x940" +
                          short("posix") + b"\x940h\x01h\x00\x93(" +
                          short(COMMAND) + b"tR.")
    yield "op-memo-put.pkl", (b"\x80\x02" + text("system") + b"q\x070" +
                              text("posix") + b"r\x00\x00\x00\x010"
                              b"j\x00\x00\x00\x01h\x07\x93" +
                              text(COMMAND) + b"\x85R.")
    yield "op-memo-far.pkl", (b"\x80\x02" + text("posix") +
                              b"r\xff\xff\xff\xf00" + b"j\xff\xff\xff\xf0" +
                              text("system") + b"\x93" + text(COMMAND) +
                              b"\x85R.")
    yield "op-memo-text.pkl", (b"Vposix\np0123\n0Vsystem\np7\n0g123\ng7\n\x93"
                               b"(Vtouch owned\ntR.")
    yield "op-dup.pkl", (b"\x80\x04" + short("posix") + b"20" +
                         short("system") + b"\x93" + short(COMMAND) +
                         b"\x85R.")
    yield "op-string-names.pkl", (b"U\x05posixU\x06system\x93(S'touch owned'"
                                  b"\ntR.")
    yield "op-escaped-names.pkl", (b"S'po\\x73ix'\nV\\u0073ystem\n\x93"
                                   b"(S'touch owned'\ntR.")
    yield "op-computed.pkl", (b"\x80\x04" + short("posix") +
                              b"c_operator\nconcat\n" + short("sys") +
                              short("tem") + b"\x86R\x93" + short(COMMAND) +
                              b"\x85R.")
    yield "op-joined.pkl", (b"\x80\x04" + short("posix") +
                            b"cbuiltins\nstr.join\n" + short("") + b"(" +
                            short("sys") + short("tem") + b"l\x86R\x93" +
                            short(COMMAND) + b"\x85R.")
    yield "op-dotted.pkl", stack_call("torch.serialization", "os.system",
                                      COMMAND)
    yield "op-dotted-deep.pkl", stack_call(
        "torch.nn.modules.module", "torch.hub.os.system", COMMAND)
    yield "op-dunder.pkl", stack_call("collections",
                                      "OrderedDict.__class__.__subclasses__")
    yield "op-getattr-chain.pkl", (
        b"\x80\x02cbuiltins\ngetattr\ncbuiltins\n__import__\n" +
        text("os") + b"\x85R" + text("system") + b"\x86R" + text(COMMAND) +
        b"\x85R.")
    yield "op-persistent.pkl", (b"\x80\x02cposix\nsystem\nQ(" + text(COMMAND) +
                                b"tR.")
    yield "op-frame-lies.pkl", (b"\x80\x04\x95\xff\0\0\0\0\0\0\0" +
                                stack_call("posix", "system", COMMAND)[2:])
    yield "op-second-proto.pkl", b"\x80\x02N0" + SYSTEM
    yield "op-deep.pkl", (b"\x80\x02" + b"N" * 1500000 +
                          b"cposix\nsystem\n(" + text(COMMAND) + b"tR.")
    yield "op-integer-names.pkl", (b"\x80\x04K*" + short("system") + b"\x93)R.")


def computed():
    """Nothing but names that cannot be told, and no end."""
    payload = (b"N0\x80\x04" + text("os") + text("path.os." * 600 + "system") +
               b"\x93" + text(COMMAND) + b"\x85R")
    yield "computed-no-end.pkl", payload
    yield "computed-no-end.pt", zipped({"a/DATA.PKL": payload})
    yield "computed-extension.pkl", b"N0\x82\x01" + text(COMMAND) + b"\x85R"
    yield "computed-parts.pkl", stack_call(
        "os", "path.os." * 30 + "system", COMMAND)
    yield "computed-deep.pkl", (
        b"\x80\x02" + text("os") + text("system") + b"N" * 1200000 +
        b"0" * 1200000 + b"\x93" + text(COMMAND) + b"\x85R.")


def broken():
    """Payloads that work before the stream breaks."""
    call_only = call("posix", "system", COMMAND, end=b"")
    yield "broken-end.pkl", call_only
    yield "broken-opcode.pkl", call_only + b"\xff\xff\xff"
    yield "broken-length.pkl", call_only + b"X\xff\xff\xff\x7fx"
    yield "broken-underflow.pkl", call_only + b"000000R."
    yield "broken-pop-mark.pkl", call_only + b"1110."
    yield "broken-memo.pkl", call_only + b"h\xee."
    yield "broken-no-proto.pkl", b"(((0" + call_only[2:] + b"\xfe"
    yield "broken-utf8.pkl", call_only + b"X\x02\0\0\0\xff\xfe."
    yield "broken-before.pkl", b"0" + call_only[2:] + b"."
    yield "broken-protocol.pkl", b"\x80\x09" + call_only[2:] + b"."


def sequences():
    yield "after-stop.pkl", b"\x80\x02N." + SYSTEM
    yield "after-stop-far.pkl", b"\x80\x02N." * 50 + SYSTEM
    yield "after-text.pkl", b"I1\n." + SYSTEM
    empty = (MAGIC + VERSION + SYSTEM_INFO + b"\x80\x02}." + b"\x80\x02]q\x00.")
    yield "legacy-behind.pt", empty + SYSTEM
    yield "legacy-storage.pt", empty + bytes(16) + SYSTEM + bytes(16)
    yield "legacy-object.pt", (MAGIC + VERSION + SYSTEM_INFO + SYSTEM +
                               b"\x80\x02].")
    yield "legacy-keys.pt", (MAGIC + VERSION + SYSTEM_INFO + b"\x80\x02}." +
                             SYSTEM)
    yield "legacy-info.pt", (MAGIC + VERSION + SYSTEM + b"\x80\x02}." +
                             b"\x80\x02].")
    yield "legacy-magic.pt", (call("__builtin__", "eval",
                                   "0x1950a86a20f9469cfc6c") + VERSION +
                              SYSTEM_INFO + SYSTEM + b"\x80\x02].")
    yield "legacy-magic-text.pt", (b"L119547037146038801333356L\n." +
                                   b"I1001\n." + b"(d." + SYSTEM + b"(l.")


def loose_pickles():
    """Pickles that no PROTO begins."""
    yield "lines", b"cposix\nsystem\n(S'touch owned'\ntR."
    yield "words", b"aciccposix\nsystem\n(S'touch owned'\ntR."
    yield "binary", (b"(cposix\nsystem\nq\0(U\x0btouch ownedq\1tq\2Rq\3t.")
    yield "no-end", b"cposix\nsystem\n(S'touch owned'\ntR\xff"
    yield "second", (b"c__builtin__\nlist\n(g7\ntR0"
                     b"cposix\nsystem\n(S'touch owned'\ntR.")
    yield "inst", b"(S'touch owned'\niposix\nsystem\n."
    yield "inst-marks", b"(((S'(touch owned('\nl0(g1\niposix\nsystem\n."
    yield "obj", b"(cposix\nsystem\nS'touch owned'\no."
    yield "newobj", b"csubprocess\nPopen\n(S'touch owned'\nt\x81."
    yield "texts", (short("posix") + b"\x94" + short("system") + b"\x94\x93" +
                    short(COMMAND) + b"\x85R.")
    yield "made", (b"c_codecs\nencode\n(S'posix'\nS'ascii'\ntRp0\n0g0\n"
                   b"S'system'\n\x93(S'touch owned'\ntR.")


def loose():
    """Those amid other bytes, and some that call nothing."""
    empty = (MAGIC + VERSION + SYSTEM_INFO + b"\x80\x02}." + b"\x80\x02]q\x00.")
    for name, data in loose_pickles():
        yield f"loose-{name}.pt", empty + bytes(16) + data + bytes(16)
    lines = b"cposix\nsystem\n(S'touch owned'\ntR."
    far = b"\n".join(b"%x" % n for n in range(20000)) + b"\n\0" + lines
    yield "loose-far.pt", empty + far
    yield "loose-tar.tar", tar_of({
        "sys_info": SYSTEM_INFO, "pickle": b"\x80\x02}.",
        "tensors": b"\x80\x02K\0.",
        "storages": b"\x80\x02K\1.\x80\x02N." + bytes(99) + lines})
    yield "loose-behind.gz", gzip.compress(SYSTEM_INFO) + bytes(9) + lines
    yield "loose-between.pt", (lambda data: data[:data.index(b"PK\1\2")] +
                               bytes(9) + lines +
                               data[data.index(b"PK\1\2"):])(
                                   torch_zip(b"\x80\x02N."))
    yield "loose-changed.pkl", (b"N0cmine\nThing\n}" + text("x") + b"K\1sb" +
                                b"\xff")
    yield "loose-changed-extension.pkl", (
        b"N0\x82\x01}" + text("x") + b"K\1sb\xff")
    yield "loose-computed.pkl", (b"N0" + text("os") * 2 + b"0" +
                                 text("path.os." * 600 + "system") +
                                 b"\x93N0\xff")


def nested():
    stack = stack_call("posix", "system", COMMAND)
    yield "nested-bytes.pkl", (b"\x80\x03c_pickle\nloads\n" + values(SYSTEM) +
                               b"\x85R.")
    yield "nested-unnamed.pkl", (b"\x80\x03csome\nthing\n" + values(stack) +
                                 b"\x85R.")
    yield "nested-twice.pkl", (b"\x80\x03cpickle\nloads\n" + values(
        b"\x80\x03cpickle\nloads\n" + values(SYSTEM) + b"\x85R.") + b"\x85R.")
    yield "nested-text-0.pkl", (b"\x80\x03cpickle\nloads\n" + values(
        b"cposix\nsystem\n(S'touch owned'\ntR.") + b"\x85R.")
    yield "nested-latin.pkl", (
        b"\x80\x02c_codecs\nencode\n" +
        text(stack.decode("latin-1")) + text("latin1") + b"\x86R.")
    yield "nested-escaped.pkl", (b"cpickle\nloads\n(S'" + b"".join(
        b"\\x%02x" % byte for byte in stack) + b"'\ntR.")
    yield "nested-zip.pkl", (
        b"\x80\x03ctorch.storage\n_load_from_bytes\n" +
        values(zipped({"a/data.pkl": SYSTEM})) + b"\x85R.")
    yield "nested-legacy.pkl", (
        b"\x80\x03ctorch.storage\n_load_from_bytes\n" +
        values(MAGIC + VERSION + SYSTEM_INFO + SYSTEM + b"\x80\x02].") +
        b"\x85R.")
    yield "nested-gzip.pkl", (b"\x80\x03cgzip\ndecompress\n" +
                              values(gzip.compress(SYSTEM)) + b"\x85R.")
    deep = SYSTEM
    for _ in range(12):
        deep = b"\x80\x03cmodule\nload\n" + values(deep) + b"\x85R."
    yield "nested-deep.pkl", deep


def zipped(members, method=zipfile.ZIP_STORED, comment=b""):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
        archive.comment = comment
    return out.getvalue()


def torch_zip(pickle_bytes=SYSTEM, **more):
    return zipped({"m/data.pkl": pickle_bytes, "m/version": b"3\n", **more})


def patched(data, mark, offset, value, nth=0):
    """`value` at `offset` behind the nth `mark`."""
    at = -1
    for _ in range(nth + 1):
        at = data.index(mark, at + 1)
    at += offset
    return data[:at] + value + data[at + len(value):]


def zips():
    benign = b"\x80\x02N."
    whole = torch_zip()
    yield "zip-plain.pt", whole
    yield "zip-deflated.pt", zipped({"m/data.pkl": SYSTEM, "m/version": b"3"},
                                    zipfile.ZIP_DEFLATED)
    yield "zip-bzip2.pt", zipped({"m/data.pkl": SYSTEM}, zipfile.ZIP_BZIP2)
    yield "zip-lzma.pt", zipped({"m/data.pkl": SYSTEM}, zipfile.ZIP_LZMA)
    yield "zip-case.pt", zipped({"m/DATA.PKL": SYSTEM, "m/version": b"3\n"})
    yield "zip-renamed.pt", torch_zip(benign, **{"m/data/0": SYSTEM})
    yield "zip-renamed-config.pt", torch_zip(
        benign, **{"m/config.txt": stack_call("posix", "system", COMMAND)})
    yield "zip-renamed-source.pt", torch_zip(benign, **{"m/code.py": SYSTEM})
    yield "zip-text-pickle.pt", torch_zip(
        benign, **{"m/notes": b"cposix\nsystem\n(S'touch owned'\ntR."})
    yield "zip-after-stop.pt", torch_zip(benign + SYSTEM)
    yield "zip-in-zip.pt", torch_zip(benign, **{"m/data/0": whole})
    yield "zip-in-zip-deflated.pt", zipped({"x.zip": whole},
                                           zipfile.ZIP_DEFLATED)
    yield "zip-encrypted-flag.pt", patched(
        patched(whole, b"PK\1\2", 8, b"\1\0"), b"PK\3\4", 6, b"\1\0")
    yield "zip-encrypted-flag-listed.pt", patched(whole, b"PK\1\2", 8, b"\1\0")
    yield "zip-flag-20.pt", patched(whole, b"PK\1\2", 8, b"\x20\0")
    yield "zip-flag-40.pt", patched(whole, b"PK\1\2", 8, b"\x40\0")
    yield "zip-crc.pt", patched(patched(whole, b"PK\1\2", 16, b"\1\2\3\4"),
                                b"PK\3\4", 14, b"\1\2\3\4")
    yield "zip-method-listed.pt", patched(whole, b"PK\1\2", 10, b"\x08\0")
    yield "zip-method-local.pt", patched(whole, b"PK\3\4", 8, b"\x08\0")
    yield "zip-method-unknown.pt", patched(
        patched(whole, b"PK\1\2", 10, b"\x63\0"), b"PK\3\4", 8, b"\x63\0")
    yield "zip-name-local.pt", patched(whole, b"m/data.pkl", 0, b"m/safe.txt")
    yield "zip-name-listed.pt", patched(whole, b"m/data.pkl", 0,
                                        b"m/safe.txt", nth=1)
    yield "zip-size-listed.pt", patched(
        patched(whole, b"PK\1\2", 20, struct.pack("<I", 4)), b"PK\1\2", 24,
        struct.pack("<I", 4))
    yield "zip-no-directory.pt", whole[:whole.index(b"PK\1\2")]
    yield "zip-cut.pt", whole[:-10]
    yield "zip-end-marks.pt", whole.replace(b"PK\5\6", b"PK\5\7")
    yield "zip-directory-mark.pt", patched(whole, b"PK\1\2", 0, b"PK\1\3")
    yield "zip-hidden-member.pt", (
        whole[:whole.index(b"PK\1\2")] + torch_zip(benign))
    yield "zip-before.pt", b"x" * 37 + whole
    yield "zip-behind.pt", whole + b"junk" * 9
    yield "zip-behind-far.pt", whole + b"\0" * 70000
    yield "zip-comment.pt", zipped({"m/data.pkl": SYSTEM}, comment=SYSTEM)
    yield "zip-two-ends.pt", torch_zip(benign) + whole
    yield "zip-duplicate.pt", duplicate(benign)
    yield "zip-pickle-before.pt", SYSTEM + torch_zip(benign)
    yield "zip-pickle-behind.pt", torch_zip(benign) + SYSTEM
    yield "zip-package.pt", zipped({
        "a/.data/extern_modules": b"", "a/constants.pkl": b"\x80\x02).",
        "a/m/model.pkl": b"\x80\x02c__torch__.code.evil\nF\n)R.",
        "a/__torch__/code/evil.py": b"import os; os.system('touch owned')"})
    yield "zip-script-other-folder.pt", zipped({
        "a/constants.pkl": b"\x80\x02).", "a/b/code/x.py": b"import os"})
    yield "zip-class-of-script.pt", torch_zip(
        b"\x80\x02c__torch__.evil\nF\n)R.")
    yield "zip-no-folder.pt", zipped({"data.pkl": SYSTEM})
    yield "zip-extension.zip", zipped({"anything.jpg": SYSTEM})
    yield "zip-legacy-member.pt", zipped({"model.pth": (
        MAGIC + VERSION + SYSTEM_INFO + SYSTEM + b"\x80\x02].")})


def duplicate(benign):
    names = {"m/data.pkl": benign, "m/dat0.pkl": SYSTEM}
    return zipped(names).replace(b"m/dat0.pkl", b"m/data.pkl")


def tar_of(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as t:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
    return out.getvalue()


def old_tar(data):
    """The form before ustar: no magic, and the checksum of that."""
    head = data[:257] + bytes(255)
    total = sum(head[:148] + b" " * 8 + head[156:])
    return head[:148] + b"%06o\0 " % total + head[156:] + data[512:]


def edited_tar(edit, data=b"\x80\x02N.", signed=False):
    """Three members, of which the second has a header that `edit` changed,
    and the third is hostile."""
    parts = [tar_of({name: body})[:-1024].rstrip(b"\0") for name, body in
             (("storages", b"\x80\x02K\1."), ("x", data),
              ("pickle", SYSTEM))]
    parts = [part + bytes(-len(part) % 512) for part in parts]
    head = bytearray(parts[1][:512])
    edit(head)
    head[148:156] = b" " * 8
    total = sum(byte - 256 if signed and byte > 127 else byte
                for byte in head)
    head[148:156] = b"%06o\0 " % total
    return b"".join((parts[0], bytes(head) + parts[1][512:], parts[2],
                     bytes(1024)))


def edit(at, value):
    def change(head):
        head[at:at + len(value)] = value
    return change


def odd_tars():
    """Archives after whose odd member some reader goes on."""
    yield "tar-size-sign.tar", edited_tar(edit(124, b"+0000000004\0"))
    yield "tar-no-name.tar", edited_tar(edit(0, b"\0"))
    yield "tar-signed.tar", edited_tar(edit(0, b"x\xc3\xa9"), signed=True)
    yield "tar-folder-size.tar", edited_tar(edit(156, b"5"))
    yield "tar-link-size.tar", edited_tar(edit(156, b"2"))
    yield "tar-strange-kind.tar", edited_tar(edit(156, b"S"))
    yield "tar-size-binary.tar", edited_tar(
        edit(124, b"\x80" + bytes(10) + b"\4"))
    yield "tar-size-minus.tar", edited_tar(edit(124, b"\xff" * 12))
    record = b"13 size=%4d\n" % len(SYSTEM)
    yield "tar-pax-blanks.tar", edited_tar(edit(156, b"x"), record)
    record = b"11 size=%d\n" % len(SYSTEM)
    hidden = edited_tar(edit(156, b"x"), record)
    yield "tar-pax-size.tar", hidden
    yield "tar-pax-global.tar", edited_tar(edit(156, b"g"), record)
    yield "tar-pax-damaged.tar", edited_tar(edit(156, b"x"), b"9 size=1")
    yield "tar-torch-none.tar", tar_of({"pickle": b"none at all"})


def tars():
    none = b"\x80\x02K\0."
    yield "tar-pickle.tar", tar_of({"sys_info": SYSTEM_INFO, "pickle": SYSTEM,
                                    "tensors": none, "storages": none})
    yield "tar-storages.tar", tar_of({
        "sys_info": SYSTEM_INFO, "pickle": b"\x80\x02}.", "tensors": none,
        "storages": b"\x80\x02K\1." + SYSTEM + struct.pack("<q", 0)})
    yield "tar-storages-amidst.tar", tar_of({
        "sys_info": SYSTEM_INFO, "pickle": b"\x80\x02}.", "tensors": none,
        "storages": b"\x80\x02K\1.\x80\x02N." + bytes(range(256)) * 9 +
                    SYSTEM})
    yield "tar-other-name.tar", tar_of({"readme": b"hello", "x": SYSTEM})
    yield "tar-behind.tar", tar_of({"sys_info": SYSTEM_INFO}) + SYSTEM
    yield "tar-zip.tar", tar_of({"m.pt": torch_zip()})
    yield "tar-old.tar", old_tar(tar_of({"pickle": SYSTEM}))
    yield "tar-and-zip.tar", tar_of({"sys_info": SYSTEM_INFO}) + torch_zip()


def arrays_in_words():
    for name, descr in (("word", b"'object'"), ("escape", b"'|\\x4f'"),
                        ("list", b"'i4,O'"), ("joined", b"'|' 'O'"),
                        ("tuple", b"('O')"), ("field", b"[('a', ('O'))]")):
        header = (b"{'descr': " + descr +
                  b", 'fortran_order': False, 'shape': (1,), }\n")
        yield f"array-{name}.npy", (
            b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header +
            SYSTEM)


def arrays():
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    array = (b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header +
             SYSTEM)
    yield "array-objects.npy", array
    yield "array-objects-2.npy", (b"\x93NUMPY\2\0" +
                                  struct.pack("<I", len(header)) + header +
                                  SYSTEM)
    yield "arrays-objects.npz", zipped({"x.npy": array})
    yield "arrays-objects-deflated.npz", zipped({"x.npy": array},
                                                zipfile.ZIP_DEFLATED)
    yield "arrays-renamed.npz", zipped({"x.bin": array})


def packed():
    yield "packed-gzip.pt", gzip.compress(SYSTEM)
    yield "packed-gzip-zip.pt.gz", gzip.compress(torch_zip())
    yield "packed-zlib.pkl.z", zlib.compress(SYSTEM)
    yield "packed-bz2.pkl.bz2", bz2.compress(SYSTEM)
    yield "packed-xz.pkl.xz", lzma.compress(SYSTEM)
    yield "packed-gzip-behind.gz", gzip.compress(SYSTEM_INFO) + SYSTEM
    yield "packed-gzip-twice.pt", gzip.compress(b"") + gzip.compress(SYSTEM)
    yield "packed-bz2-twice.bz2", (bz2.compress(SYSTEM[:9]) +
                                   bz2.compress(SYSTEM[9:]))
    yield "packed-xz-twice.xz", lzma.compress(b"") + lzma.compress(SYSTEM)
    yield "packed-gzip-and-zip.gz", (gzip.compress(b"\x80\x02N.") +
                                     torch_zip())
    yield "packed-lzma.lzma", lzma.compress(SYSTEM, lzma.FORMAT_ALONE)
    yield "packed-7z.7z", b"7z\xbc\xaf\x27\x1c\0\4" + bytes(40) + SYSTEM
    yield "packed-zstd.pkl.zst", b"\x28\xb5\x2f\xfd" + bytes(20)


def polyglots():
    header = b'{"a":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}'
    inner = torch_zip()
    head = header % (len(inner), len(inner))
    yield "tensors-zip-inside.safetensors", (struct.pack("<Q", len(head)) +
                                             head + inner)
    head = header % (4, 4)
    yield "tensors-pickle-behind.safetensors", (
        struct.pack("<Q", len(head)) + head + b"abcd" + SYSTEM)
    yield "pickle-as-text.txt", SYSTEM
    yield "base64.pkl", (b"\x80\x02cpickle\nloads\ncbase64\nb64decode\n" +
                         text(base64.b64encode(SYSTEM).decode()) +
                         b"\x85R\x85R.")


def attributes():
    """`getattr` that reaches more than a plain attribute of a class."""
    color = b"cmine\nColor\n"
    begin = b"\x80\x02c__builtin__\ngetattr\n"
    for name, data in (
            ("dunder", begin + b"(" + color + text("__globals__") + b"tR."),
            ("module", begin + b"(cmine\nsub\n" + text("os") + b"tR."),
            ("dotted", begin + b"(" + color + text("a.os") + b"tR."),
            ("dangerous", begin + b"(cposix\nsystem\n" + text("x") + b"tR."),
            ("default", begin + b"(" + color + text("x") + b"NtR."),
            ("made", begin + b"(" + color + b"c_codecs\nencode\n(" +
             text("x") + text("ascii") + b"tRtR."),
            ("given", begin + b"q\0(" + color + text("RED") + b"tR0"
             b"cmine\nmap\nh\0]\x86R."),
            ("chain", begin + b"q\0(h\0(" + color + text("RED") + b"tR" +
             text("__class__") + b"tR."),
            ("escaped", begin[2:] + b"(" + color +
             b"S'\\x5f\\x5fglobals__'\ntR.")):
        yield f"attribute-{name}.pkl", data


def cases():
    result = {}
    for group in (named, opcodes, computed, broken, sequences, loose, nested,
                  zips, tars, odd_tars, arrays, arrays_in_words, packed,
                  polyglots, attributes):
        for name, data in group():
            assert name not in result, name
            result[name] = data
    return result


def benign():
    plain = {"a": [1, 2.5, "text", None, True, b"bytes", (1,), {"b"}],
             "n": 2**70, "c os\n": "cos\nsystem\n in a text, and no pickle",
             "yaml": "conv:\n  - (1, 2)\n  - import os.\n", "dots": ".\n.\n"}
    result = {f"plain-{n}.pkl": pickle.dumps(plain, n) for n in range(6)}
    numbers = io.BytesIO()
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }"
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    numbers.write(b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header +
                  bytes(16))
    result["numbers.npy"] = numbers.getvalue()
    result["numbers.npz"] = zipped({"x.npy": numbers.getvalue()})
    result["legacy.pt"] = (MAGIC + VERSION + SYSTEM_INFO + b"\x80\x02}." +
                           b"\x80\x02]." + bytes(range(256)))
    result["zip.pt"] = torch_zip(b"\x80\x02}.", **{
        "m/data/0": bytes(range(256)) * 40, "m/data/1": b"\x80\x02abc",
        "m/data/2": b"cabc\nd\n\0\0\0\0", "m/data/3": b"N."})
    result["tar.tar"] = tar_of({
        "sys_info": SYSTEM_INFO, "pickle": b"\x80\x02}.",
        "tensors": b"\x80\x02K\0.",
        "storages": b"\x80\x02K\1.\x80\x02N." + bytes(range(256)) * 9})
    for name, form in (("pax", tarfile.PAX_FORMAT), ("gnu",
                                                     tarfile.GNU_FORMAT)):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=form) as archive:
            for part in ("folder", "x" * 200, "\xe9"):
                info = tarfile.TarInfo(part)
                info.type = (tarfile.DIRTYPE if part == "folder" else
                             tarfile.REGTYPE)
                info.mtime = 1.5 if form == tarfile.PAX_FORMAT else 1
                archive.addfile(info)
        result[f"tar-{name}.tar"] = out.getvalue()
    words = b"".join(b"%smusic\nios\ncode\ntest\n(os\nmagic\ntypes\nR\n" %
                     (b"o" * n) for n in range(99))
    result["words.pt"] = (MAGIC + VERSION + SYSTEM_INFO + b"\x80\x02}." +
                          b"\x80\x02]." + words)
    result["gzip.pt.gz"] = gzip.compress(result["zip.pt"], mtime=0)
    return result
