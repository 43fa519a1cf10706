// What a device needs of its host side. The emulator knows only these contracts; services/disk and services/vmm
// implement them. Buffers are views of guest RAM (a SharedArrayBuffer): a backend reads and writes them in place.

export interface BlockBackend {
  /** Bytes; a multiple of 512. */
  readonly size: number;
  readonly readOnly: boolean;
  /** Fills the buffers, in order, from `offset`. Bytes never written read as zero. Throws on an I/O error. */
  read(offset: number, into: readonly Uint8Array[]): Promise<void>;
  write(offset: number, from: readonly Uint8Array[]): Promise<void>;
  /** Resolves when all completed writes are on stable storage (a real fsync). */
  flush(): Promise<void>;
  /** The content of the range may be forgotten; it reads as zero afterwards or as before. */
  discard(offset: number, length: number): Promise<void>;
  /** The range reads as zero afterwards; `unmap` allows to give its space back. */
  writeZeroes(offset: number, length: number, unmap: boolean): Promise<void>;
  close(): Promise<void>;
}

/** The network side of a NIC. A frame starts with a 12-byte virtio_net_hdr (virtio 1.2, 5.1.6.1). */
export interface FrameBackend {
  /** Takes the frame at once (copies what it keeps). False: no room; the device counts a drop. */
  send(frame: readonly Uint8Array[]): boolean;
  /** Called once by the device; it returns false when the guest has no buffer (the frame is dropped). */
  onFrame(receive: (frame: Uint8Array) => boolean): void;
  /** The frames, with their headers, that this one becomes for a guest whose driver takes no offloads. */
  complete?(frame: Uint8Array): readonly Uint8Array[];
}

/** A byte stream to and from whoever looks at a console. */
export interface ConsoleBackend {
  write(bytes: Uint8Array): void;
  onInput(receive: (bytes: Uint8Array) => void): void;
}

/** The host's end of a named port of a console device. */
export interface PortBackend {
  write(bytes: Uint8Array): void;
  /** `receive` keeps all that it is given; false: no more until onDrain. */
  onInput(receive: (bytes: Uint8Array) => boolean): void;
  onDrain(): void;
  /** Whether anyone is at the host's end, told as it changes. */
  onOpen(changed: (open: boolean) => void): void;
  /** A program in the guest has opened the port, or closed it. */
  onGuestOpen(open: boolean): void;
}

export interface EntropyBackend {
  fill(into: Uint8Array): void;
}

/** The guest's end of a socket, as a stream of the host uses it. */
export interface GuestStream {
  /** Keeps the bytes. False: no more until onDrain. */
  write(bytes: Uint8Array): boolean;
  /** The host sends no more. */
  end(): void;
  /** So many bytes of onData have been passed on: the guest may send as many again. */
  forwarded(bytes: number): void;
  /** Ends the connection at once. */
  destroy(): void;
}

/** A stream of the host that is joined to a socket of the guest. */
export interface HostStream {
  /** Called first. */
  join(guest: GuestStream): void;
  /** The guest has taken the connection that the host opened; `port` is the host's. */
  onOpen(port: number): void;
  onData(bytes: Uint8Array): void;
  /** The guest sends no more. */
  onEnd(): void;
  onDrain(): void;
  /** The connection is over, or there will be none. Nothing is called after it. */
  onClose(): void;
}

/** The host's side of virtio-vsock. */
export interface SocketBackend {
  /** The guest connects to a port of the host; `taken` gets the stream, or undefined when nobody listens. */
  open(port: number, taken: (stream: HostStream | undefined) => void): void;
  /** Called once by the device: how to connect to a port of the guest. */
  onConnect(connect: (port: number, stream: HostStream) => void): void;
}
