# SPDX-License-Identifier: BSD-2-Clause
"""A machine made by QEMU: its command line, the files that it needs, and the process."""

import dataclasses
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

from .target import NotThere, Target

QEMU = "qemu-system-x86_64"
FIRMWARE = (("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"), ("OVMF_CODE.fd", "OVMF_VARS.fd"))
FIRMWARE_DIR = "/usr/share/OVMF"
DEBUG_EXIT_PORT = 0xF4
DISK_BYTES = 64 << 20
BLOCK_BYTES = 4096
CONNECT_SECONDS = 20

FIRST_STAGE = {"x-scalable-mode": "on", "x-flts": "on"}

# The QEMU that `make qemu-ssads` builds is the one for machines with this property of intel-iommu, on or off:
# accessed and dirty bits as hardware has them. ROMs are those of the distribution's own.
SSADS = "x-ssads"
SECOND_STAGE_SSADS = {"x-scalable-mode": "on", SSADS: "on"}
FIRST_STAGE_SSADS = {**FIRST_STAGE, SSADS: "on"}
SSADS_BUILD = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "qemu", "ssads",
                           "build")
ROMS = "/usr/share/qemu"


def debug_exit_status(value):
    """QEMU's exit status after a guest wrote value to isa-debug-exit."""
    return value << 1 | 1


def build_dir():
    """Where the build is; the Makefile says so in BUILD."""
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return os.path.join(top, os.environ.get("BUILD", "build"))


@dataclasses.dataclass
class Machine:
    """What to boot, and on what. iommu holds the properties of intel-iommu; None leaves the device out."""

    config: str = ""
    cpus: int = 4
    memory: str = "2G"
    cpu: str = "EPYC"
    iommu: dict = dataclasses.field(default_factory=lambda: dict(FIRST_STAGE))
    nvme: bool = True
    edu: bool = True
    debug_exit: bool = True
    reset: str = "none"  # edu cannot be reset, and tests move it between domains; None: as it is by default
    modules: dict = dataclasses.field(default_factory=dict)  # files beside lull.cfg: name, bytes
    firmware: str = None  # what tests/firmware is to leave in use, in words; it then starts Lull
    build: str = dataclasses.field(default_factory=build_dir)
    disk_image: str = None  # boot this file instead of a folder made from config and build
    extra: list = dataclasses.field(default_factory=list)

    def config_text(self):
        """The lull.cfg of this machine."""
        lines = [f"debug_exit = {DEBUG_EXIT_PORT:#x}"] if self.debug_exit else []
        lines.append(self.config.strip("\n"))
        lines += [f"reset = {self.reset}"] if self.reset else []
        return "\n".join(lines) + "\n"


def firmware_paths():
    """OVMF's code and its variables."""
    for code, variables in FIRMWARE:
        paths = [os.path.join(FIRMWARE_DIR, name) for name in (code, variables)]
        if all(os.path.exists(path) for path in paths):
            return paths
    raise FileNotFoundError(f"no OVMF in {FIRMWARE_DIR}")


def make_disk(path):
    """A disk each of whose 4 KiB blocks is filled with its number, as 64-bit words. Made once."""
    if os.path.exists(path) and os.path.getsize(path) == DISK_BYTES:
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "wb") as disk:
        for block in range(DISK_BYTES // BLOCK_BYTES):
            disk.write(struct.pack("<Q", block) * (BLOCK_BYTES // 8))
    os.replace(temporary, path)  # whole or not there: others may be making it too


def make_esp(folder, machine):
    """A volume's folder that firmware boots from."""
    boot = os.path.join(folder, "EFI", "BOOT")
    os.makedirs(boot)
    os.makedirs(os.path.join(folder, "lull"))
    lull = "BOOTX64.EFI"
    if machine.firmware is not None:
        shutil.copyfile(os.path.join(machine.build, "firmware.efi"), os.path.join(boot, lull))
        lull = "LULL.EFI"
        with open(os.path.join(folder, "lull", "firmware.cfg"), "w", encoding="ascii") as wishes:
            wishes.write(machine.firmware)
    shutil.copyfile(os.path.join(machine.build, "lull.efi"), os.path.join(boot, lull))
    with open(os.path.join(folder, "lull", "lull.cfg"), "w", encoding="ascii") as config:
        config.write(machine.config_text())
    for name, content in machine.modules.items():
        with open(os.path.join(folder, "lull", name), "wb") as module:
            module.write(content)


def boot_volume(machine, scratch):
    """What the firmware boots from: the machine's image, or a folder that is made now."""
    if machine.disk_image:
        return f"snapshot=on,file={machine.disk_image}"
    esp = os.path.join(scratch, "esp")
    make_esp(esp, machine)
    return f"file=fat:rw:{esp}"


def ssads_build(question):
    """What the script that builds it answers: --path or --why."""
    done = subprocess.run([SSADS_BUILD, question], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          text=True, check=True)
    return done.stdout.strip()


def program(machine):
    """The QEMU for a machine, with its first arguments. NotThere: it was not built; the text says why."""
    if SSADS not in (machine.iommu or {}):
        return [QEMU]
    path = ssads_build("--path")
    if not os.access(path, os.X_OK):
        raise NotThere(f"no QEMU with second-stage dirty bits: {ssads_build('--why')}")
    return [path, "-L", ROMS]


def command_line(machine, scratch, console):
    """QEMU's arguments. scratch is a folder for this run's files; console are the arguments for the serial
    port."""
    code, variables = firmware_paths()
    own_variables = os.path.join(scratch, "vars.fd")
    shutil.copyfile(variables, own_variables)
    line = program(machine)
    line += ["-M", "q35,kernel-irqchip=split", "-cpu", machine.cpu, "-accel", "tcg,thread=multi"]
    line += ["-smp", str(machine.cpus), "-m", machine.memory]
    line += ["-nodefaults", "-display", "none", "-net", "none"]
    line += ["-drive", f"if=pflash,format=raw,readonly=on,file={code}"]
    line += ["-drive", f"if=pflash,format=raw,file={own_variables}"]
    if machine.iommu is not None:
        properties = [f"{key}={value}" for key, value in machine.iommu.items()]
        line += ["-device", ",".join(["intel-iommu"] + properties)]
    line += ["-drive", f"if=none,id=boot,format=raw,{boot_volume(machine, scratch)}"]
    line += ["-device", "ide-hd,drive=boot,bus=ide.0,bootindex=0"]
    if machine.nvme:
        disk = os.path.join(machine.build, "tests", "nvme.img")
        make_disk(disk)
        line += ["-drive", f"if=none,id=disk0,format=raw,snapshot=on,file={disk}"]
        line += ["-device", "nvme,drive=disk0,serial=lull"]
    if machine.edu:
        line += ["-device", "edu,dma_mask=0xffffffffffffffff"]
    if machine.debug_exit:
        line += ["-device", f"isa-debug-exit,iobase={DEBUG_EXIT_PORT:#x},iosize=4"]
    return line + console + machine.extra


class Qemu(Target):
    """A machine with its serial port on a socket."""

    def __init__(self, machine):
        self.machine = machine
        self.scratch = None
        self.process = None
        self.socket = None
        self.line = []
        self.errors = None

    def start(self):
        self.scratch = tempfile.mkdtemp(prefix="lull-")
        path = os.path.join(self.scratch, "console")
        listener = socket.socket(socket.AF_UNIX)
        with listener:
            listener.bind(path)
            listener.listen(1)
            listener.settimeout(CONNECT_SECONDS)
            self.line = command_line(self.machine, self.scratch,
                                     ["-chardev", f"socket,id=console,path={path}",
                                      "-serial", "chardev:console"])
            self.errors = open(os.path.join(self.scratch, "stderr"), "w+b")
            # Should this process be killed outright, the kernel ends QEMU: it would run for ever.
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL"] + self.line,
                                            stdin=subprocess.DEVNULL, stdout=self.errors,
                                            stderr=self.errors)
            self.socket = self.accept(listener)

    def accept(self, listener):
        """QEMU's end of the console; an error of QEMU's own, in its words, when it ended before."""
        end = time.monotonic() + CONNECT_SECONDS
        listener.settimeout(0.2)
        while time.monotonic() < end:
            try:
                return listener.accept()[0]
            except TimeoutError:
                if self.process.poll() is not None:
                    break
        raise RuntimeError(f"QEMU did not start: {self.error_text() or 'no word from it'}")

    def error_text(self):
        """What QEMU itself said."""
        if not self.errors or self.errors.closed:
            return ""
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace").strip()

    def peak_memory(self):
        """The most bytes of this machine's memory, and of QEMU's own, that were ever there: what nobody
        touches is not."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmHWM:\s+(\d+) kB", status.read()).group(1)) << 10

    def fileno(self):
        return self.socket.fileno()

    def read(self):
        try:
            return self.socket.recv(65536)
        except ConnectionError:
            return b""

    def write(self, data):
        try:
            self.socket.sendall(data)
        except ConnectionError:
            pass  # it has ended: read() tells

    def wait(self, seconds):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        if self.socket:
            self.socket.close()
        if self.errors:
            self.errors.close()
        if self.scratch:
            shutil.rmtree(self.scratch, ignore_errors=True)
            self.scratch = None

    def describe(self):
        return " ".join(self.line)
