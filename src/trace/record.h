// What a trace says: the history of a group of processes, as blocks of instructions and memory
// events.
//
// A *static block* is a straight run of instructions as the program's code has it: where it starts,
// how long each instruction is, which data accesses each makes. Executing it is a *block record*:
// the block's number and one address per data access. Everything else that happens is an *event*.
// Records carry the thread they belong to.
//
// Values of `prot`, `flags`, `advice` and `clone_flags` are Linux's asm-generic ones on every ISA;
// importers translate. Results are as a Linux system call returns them: >= 0, or -errno.
#ifndef MMUSIM_TRACE_RECORD_H_
#define MMUSIM_TRACE_RECORD_H_

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/linux_abi.h"
#include "base/types.h"

namespace mmusim::trace {

struct ThreadId {
  Pid pid;
  Tid tid;
  auto operator<=>(const ThreadId&) const = default;
};

// One data access of a static block.
struct MemOp {
  uint8_t instruction;  // index of the one that makes it; non-decreasing within a block
  AccessKind kind;      // Load, Store or Modify
  uint16_t bytes;       // 1 .. kMaxAccessBytes
  // Whether it goes on in the next page of that size where it is made at `va`.
  [[nodiscard]] constexpr bool crosses(VirtAddr va, PageShift page) const {
    return (va.value() & page.offset_mask()) + bytes > page.bytes();
  }
  bool operator==(const MemOp&) const = default;
};

// Limits that make every block small and every access cross at most one page boundary.
inline constexpr unsigned kMaxInstructions = 255;  // per block
inline constexpr unsigned kMaxMemOps = 255;        // per block
inline constexpr unsigned kMaxAccessBytes = 4096;  // per data access; importers split longer ones
inline constexpr unsigned kMaxInstructionBytes = 32;
// No block extends past the end of the 4 KiB page it starts in, except by the tail of its last
// instruction. 4 KiB is the smallest base page of any simulated machine, so that a block needs one
// instruction translation, or two.
inline constexpr PageShift kBlockPage{12};

struct StaticBlock {
  VirtAddr start;
  uint32_t bytes;          // of all instructions together
  uint8_t instructions;    // 1 .. kMaxInstructions
  uint8_t mem_ops;         // 0 .. kMaxMemOps
  bool crosses_page;       // the last instruction ends in the next 4 KiB page
  const uint8_t* lengths;  // one byte length per instruction
  const MemOp* ops;        // mem_ops of them
};

// --- Events

struct ImageArea {  // one VMA of a new process image
  VirtRange range;
  uint32_t prot = 0;
  uint32_t flags = 0;  // MAP_*; MAP_GROWSDOWN for the stack
  uint64_t file_offset = 0;
  std::string name;  // file, or [stack], [heap], [vdso], [vvar], [vsyscall], or empty
  bool operator==(const ImageArea&) const = default;
};

// A process begins to run a program. Also the first thing said of a process not born in the trace.
struct ExecEvent {
  std::string program;
  std::vector<std::string> arguments;
  // Empty: not recorded; the replayer implies areas as they are touched.
  std::vector<ImageArea> image;
  VirtAddr brk;        // initial program break; 0: not recorded
  VirtAddr stack_top;  // 0: not recorded
  bool operator==(const ExecEvent&) const = default;
};
struct MmapEvent {
  VirtAddr hint;
  uint64_t length = 0;
  uint32_t prot = 0;
  uint32_t flags = 0;
  int32_t fd = -1;
  uint64_t offset = 0;
  int64_t result = 0;  // the address, or -errno
  std::string file;    // what fd names, where known
  bool operator==(const MmapEvent&) const = default;
};
struct MunmapEvent {
  VirtAddr start;
  uint64_t length = 0;
  int64_t result = 0;
  bool operator==(const MunmapEvent&) const = default;
};
struct MprotectEvent {
  VirtAddr start;
  uint64_t length = 0;
  uint32_t prot = 0;
  int64_t result = 0;
  bool operator==(const MprotectEvent&) const = default;
};
struct MremapEvent {
  VirtAddr old_start;
  uint64_t old_length = 0;
  uint64_t new_length = 0;
  uint32_t flags = 0;
  VirtAddr new_hint;
  int64_t result = 0;
  bool operator==(const MremapEvent&) const = default;
};
struct BrkEvent {
  VirtAddr requested;
  VirtAddr result;  // the break after the call
  bool operator==(const BrkEvent&) const = default;
};
struct MadviseEvent {
  VirtAddr start;
  uint64_t length = 0;
  uint32_t advice = 0;
  int64_t result = 0;
  bool operator==(const MadviseEvent&) const = default;
};
// fork, vfork, clone: the record's thread makes `child`, which shares_memory for threads and vfork.
struct ForkEvent {
  ThreadId child;
  uint64_t clone_flags = 0;
  bool shares_memory = false;  // CLONE_VM
  bool operator==(const ForkEvent&) const = default;
};
// The record's thread ends; whole_process: exit_group or a fatal signal ends its process.
struct ExitEvent {
  int32_t status = 0;  // as wait4 gives it: exit code << 8, or the signal's number
  bool whole_process = true;
  bool operator==(const ExitEvent&) const = default;
};
struct WaitEvent {  // the record's process has reaped `child`
  Pid child;
  int32_t status = 0;  // as wait4 gives it
  bool operator==(const WaitEvent&) const = default;
};
struct SwitchEvent {  // CPU `cpu` goes on with the record's thread, where the recorder saw it
  CpuId cpu;
  bool operator==(const SwitchEvent&) const = default;
};
struct MarkerEvent {  // a named point, for measurements
  std::string text;
  bool operator==(const MarkerEvent&) const = default;
};

// ftruncate, truncate: the file has so many bytes from now on.
struct TruncateEvent {
  int32_t fd = -1;
  uint64_t length = 0;
  int64_t result = 0;
  std::string file;  // what fd names, or the path, where known
  bool operator==(const TruncateEvent&) const = default;
};
struct FallocateEvent {
  int32_t fd = -1;
  uint32_t mode = 0;  // FALLOC_FL_*
  uint64_t offset = 0;
  uint64_t length = 0;
  int64_t result = 0;
  std::string file;
  bool operator==(const FallocateEvent&) const = default;
};
struct MsyncEvent {
  VirtAddr start;
  uint64_t length = 0;
  uint32_t flags = 0;  // MS_*
  int64_t result = 0;
  bool operator==(const MsyncEvent&) const = default;
};
// mlock, mlock2, munlock; and mlockall, munlockall, which have no range.
struct LockEvent {
  enum What : uint32_t { Lock = 0, Unlock = 1, LockAll = 2, UnlockAll = 3 };
  uint32_t what = Lock;
  VirtAddr start;
  uint64_t length = 0;
  uint32_t flags = 0;  // of mlock2: MLOCK_*; of mlockall: MCL_*
  int64_t result = 0;
  bool operator==(const LockEvent&) const = default;
};
// prctl(PR_SET_THP_DISABLE): whether the process gets transparent huge pages.
struct ThpEvent {
  uint32_t disable = 0;  // 0: as its areas say; 1: none
  uint32_t flags = 0;    // with 1: PR_THP_DISABLE_*
  int64_t result = 0;
  bool operator==(const ThpEvent&) const = default;
};
// process_madvise on one range of a process's memory.
struct ProcessMadviseEvent {
  Pid target;  // whose memory it is
  VirtAddr start;
  uint64_t length = 0;
  uint32_t advice = 0;
  int64_t result = 0;  // bytes advised, or -errno
  bool operator==(const ProcessMadviseEvent&) const = default;
};
// A system call that may change memory, of a kind for which there is no event: a replay leaves it
// out, and says so.
struct OtherCallEvent {
  std::string name;  // "userfaultfd", "shmat", ...
  int64_t result = 0;
  bool operator==(const OtherCallEvent&) const = default;
};

using Event = std::variant<ExecEvent, MmapEvent, MunmapEvent, MprotectEvent, MremapEvent, BrkEvent,
                           MadviseEvent, ForkEvent, ExitEvent, WaitEvent, SwitchEvent, MarkerEvent,
                           TruncateEvent, FallocateEvent, MsyncEvent, LockEvent, ThpEvent,
                           ProcessMadviseEvent, OtherCallEvent>;

// Whether a system call's result says that it failed.
using abi::failed;
// A child's status as wait4 gives it, of what its program gave exit().
constexpr int32_t status_of_exit(uint64_t code) {
  return static_cast<int32_t>((code & 0xff) << 8);
}

// The event's name as `trace dump` prints it ("mmap", "fork", ...).
const char* name_of(const Event& event);
// The same from the place in the variant. REQUIRES: kind < std::variant_size_v<Event>.
const char* event_kind_name(size_t kind);

// --- Header and batches

struct Header {
  std::string isa;  // "x86_64", "i386", "sparc64", "ppc64", "ia64", ...
  bool big_endian = false;
  PageShift page{12};    // base page of the machine the recording was made on
  std::string program;   // the command recorded
  std::string recorder;  // what recorded it, with version
  std::string notes;     // what the recorder could not tell
  bool operator==(const Header&) const = default;
};
// The machine it was recorded on, for people: "x86_64, little-endian, 4K pages".
std::string machine_of(const Header& header);

struct Totals {
  uint64_t instructions = 0;
  uint64_t blocks = 0;
  uint64_t loads = 0;
  uint64_t stores = 0;
  uint64_t modifies = 0;
  uint64_t events = 0;
  [[nodiscard]] uint64_t data_accesses() const { return loads + stores + modifies; }
  [[nodiscard]] uint64_t references() const { return instructions + data_accesses(); }
  bool operator==(const Totals&) const = default;
  Totals& operator+=(const Totals& o);
};

// Of a block, executed once.
Totals totals_of(const StaticBlock& block);

// A reference as page streams have it: its 4 KiB page and what it is, in a word.
class PageRef {
 public:
  constexpr PageRef() = default;
  // `va`: anywhere in the page. `crosses`: it goes on in the next one.
  constexpr PageRef(VirtAddr va, AccessKind kind, bool crosses)
      : word_((va.value() & ~kBlockPage.offset_mask()) | static_cast<uint64_t>(kind) |
              (crosses ? kCrosses : 0)) {}

  [[nodiscard]] constexpr VirtAddr page() const {
    return VirtAddr(word_ & ~kBlockPage.offset_mask());
  }
  [[nodiscard]] constexpr uint64_t number() const { return word_ >> kBlockPage.log2(); }
  [[nodiscard]] constexpr AccessKind kind() const { return static_cast<AccessKind>(word_ & 3); }
  [[nodiscard]] constexpr bool is_data() const { return (word_ & 3) != 0; }
  [[nodiscard]] constexpr bool writes() const { return (word_ & 2) != 0; }
  [[nodiscard]] constexpr bool crosses() const { return (word_ & kCrosses) != 0; }
  [[nodiscard]] constexpr uint64_t word() const { return word_; }
  // The same so many bytes further on, modulo 2^64. REQUIRES: whole pages.
  [[nodiscard]] constexpr PageRef moved(uint64_t distance) const {
    PageRef there;
    there.word_ = word_ + distance;
    return there;
  }
  bool operator==(const PageRef&) const = default;

 private:
  static constexpr uint64_t kCrosses = 4;
  uint64_t word_ = 0;
};
static_assert(static_cast<unsigned>(AccessKind::Fetch) == 0 &&
              static_cast<unsigned>(AccessKind::Store) == 2 &&
              static_cast<unsigned>(AccessKind::Modify) == 3);

// By so many numbers page streams for sets tell pages apart: their numbers' lowest bits.
inline constexpr uint64_t kPageSets = 16;

class KnownPages;

// What a reader hands out: either a run of block records of one thread, or one event. Valid until
// the next call.
struct Batch {
  ThreadId thread;
  const Event* event = nullptr;  // null: a run of blocks

  std::span<const StaticBlock> table;  // static blocks, indexed by the numbers in `blocks`
  uint64_t table_serial = 0;  // same number, same table: what is derived from one may be kept
  std::span<const uint32_t> blocks;  // block records, in program order
  const uint64_t* addresses =
      nullptr;    // their data addresses, in order: table[blocks[0]].mem_ops of them, then ...
  Totals totals;  // of this batch (events: 0)
  // The next batch is more blocks of the same thread, with nothing between; `table` outlives that
  // call of the reader's.
  bool goes_on = false;

  // Instead of blocks, of a page stream: what is kept of them. The totals are those of the whole
  // run of blocks, in the first batch of it.
  bool of_pages = false;
  std::span<const PageRef> pages;
  bool run_begins = false;      // with this batch
  uint64_t first_page = 0;      // how many were kept in the chunk before
  KnownPages* known = nullptr;  // what the stream takes to be known along them
};

// A serial for a table that no other in this process has, so that who is given batches of several
// readers knows their tables apart. Thread-safe.
uint64_t new_table_serial();

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_RECORD_H_
