// What the official architecture tests ask of a model (test format specification, chapter 5), for a board like QEMU's
// `virt`: a test ends by sending its signature over the UART and then ends the machine. The same file runs on QEMU and on
// our hart, and what they send is compared (arch-tests.ts).

#ifndef MODEL_TEST_H
#define MODEL_TEST_H

#define RVMODEL_BOOT

#define RVMODEL_DATA_BEGIN .align 4; .global begin_signature; begin_signature:
#define RVMODEL_DATA_END .align 4; .global end_signature; end_signature:

// The UART's data register, and the test device: 0x5555 ends the machine.
#define RVMODEL_HALT          \
  la t0, begin_signature;     \
  la t1, end_signature;       \
  li t2, 0x10000000;          \
  1: bgeu t0, t1, 2f;         \
  lbu t3, 0(t0);              \
  sb t3, 0(t2);               \
  addi t0, t0, 1;             \
  j 1b;                       \
  2: li t2, 0x100000;         \
  li t3, 0x5555;              \
  sw t3, 0(t2);               \
  3: j 3b

#define RVMODEL_IO_INIT
#define RVMODEL_IO_WRITE_STR(_R, _STR)
#define RVMODEL_IO_CHECK()
#define RVMODEL_IO_ASSERT_GPR_EQ(_S, _R, _I)
#define RVMODEL_IO_ASSERT_SFPR_EQ(_F, _R, _I)
#define RVMODEL_IO_ASSERT_DFPR_EQ(_D, _R, _I)

// The CLINT's msip.
#define RVMODEL_SET_MSW_INT li t1, 1; li t2, 0x2000000; sw t1, 0(t2);
#define RVMODEL_CLEAR_MSW_INT li t2, 0x2000000; sw x0, 0(t2);
#define RVMODEL_CLEAR_MTIMER_INT
#define RVMODEL_CLEAR_MEXT_INT

// Instructions that the assembler, or QEMU 7.2, does not know. With WITHOUT_EXTENSIONS they are written out in older
// ones, which do the same: that is the program for QEMU.
#ifdef WITHOUT_EXTENSIONS
.macro czero.eqz rd, rs1, rs2
  beqz \rs2, 7f
  mv \rd, \rs1
  j 8f
  7: li \rd, 0
  8:
.endm
.macro czero.nez rd, rs1, rs2
  bnez \rs2, 7f
  mv \rd, \rs1
  j 8f
  7: li \rd, 0
  8:
.endm
// The operand is a register in brackets; the block is the 64 bytes around what it points to.
.macro cbo.zero operand
  .irp r, x1,x2,x3,x4,x5,x6,x7,x8,x9,x10,x11,x12,x13,x14,x15,x16,x17,x18,x19,x20,x21,x22,x23,x24,x25,x26,x27,x28,x29,x30,x31
    .ifc "\operand", "(\r)"
      csrw mscratch, \r
      andi \r, \r, -64
      sd x0, 0(\r)
      sd x0, 8(\r)
      sd x0, 16(\r)
      sd x0, 24(\r)
      sd x0, 32(\r)
      sd x0, 40(\r)
      sd x0, 48(\r)
      sd x0, 56(\r)
      csrr \r, mscratch
    .endif
  .endr
.endm
#else
.macro czero.eqz rd, rs1, rs2
  .insn r 0x33, 5, 7, \rd, \rs1, \rs2
.endm
.macro czero.nez rd, rs1, rs2
  .insn r 0x33, 7, 7, \rd, \rs1, \rs2
.endm
#endif

#endif
