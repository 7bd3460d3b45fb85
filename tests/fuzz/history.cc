#include "tests/fuzz/history.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/linux_abi.h"
#include "trace/chunk_encoder.h"

namespace mmusim::fuzz {

namespace {

using namespace abi;

constexpr const char* kFiles[] = {"",          "",           "a",        "b",
                                  "/dev/zero", "/dev/shm/c", "/memfd:d", "[heap]"};
constexpr const char* kAreaNames[] = {"",       "a",      "b",          "[stack]",  "[heap]",
                                      "[vdso]", "[vvar]", "[vsyscall]", "/dev/zero"};
constexpr uint32_t kAdvices[] = {
    kAdviceNormal,        kAdviceRandom,         kAdviceSequential,  kAdviceWillNeed,
    kAdviceDontNeed,      kAdviceFree,           kAdviceRemove,      kAdviceDontFork,
    kAdviceDoFork,        kAdviceMergeable,      kAdviceUnmergeable, kAdviceHugePage,
    kAdviceNoHugePage,    kAdviceDontDump,       kAdviceDoDump,      kAdviceWipeOnFork,
    kAdviceKeepOnFork,    kAdviceCold,           kAdvicePageOut,     kAdvicePopulateRead,
    kAdvicePopulateWrite, kAdviceDontNeedLocked, kAdviceCollapse,    kAdviceGuardInstall,
    kAdviceGuardRemove};
// One bit of the input for each.
constexpr uint32_t kMapFlags[] = {kMapShared,    kMapPrivate, kMapFixed,         kMapAnonymous,
                                  kMapGrowsDown, kMapLocked,  kMapNoReserve,     kMapPopulate,
                                  kMapNonBlock,  kMapHugeTlb, kMapFixedNoReplace};

class Historian {
 public:
  Historian(Input& input, const mmu::AddressLayout& layout) : input_(input), layout_(layout) {
    const VirtAddr middle(layout.top.value() / 2);
    edges_ = {VirtAddr(0),      layout.lowest,    layout.program_base,
              layout.heap_base, layout.mmap_base, layout.stack_top,
              layout.top,       middle,           layout.gate.range.begin};
    for (const VirtRange& hole : layout.holes) {
      edges_.push_back(hole.begin);
      edges_.push_back(hole.end);
    }
    for (const unsigned bit : {31u, 32u, 40u, 47u, 61u, 63u})
      edges_.emplace_back(uint64_t{1} << bit);
    areas_ = {layout.program_base, layout.mmap_base - (layout.page.bytes() << 10),
              layout.stack_top - (layout.page.bytes() << 4), align_up(middle, PageShift(24))};
  }

  Chunk all() {
    encoder_.thread(thread_);
    while (!input_.at_end() && events_ < kMostEvents && blocks_ < kMostBlocks)
      record();
    encoder_.close();
    Chunk chunk;
    chunk.totals = encoder_.totals();
    chunk.static_blocks = encoder_.static_blocks();
    for (size_t i = 0; i < trace::kStreams; ++i) {
      const auto stream = encoder_.stream(static_cast<trace::Stream>(i));
      chunk.streams[i].assign(stream.begin(), stream.end());
    }
    return chunk;
  }

 private:
  static constexpr size_t kAreas = 16;  // remembered

  void event(const trace::Event& event) {
    ++events_;
    encoder_.event(event);
  }

  void record() {
    constexpr unsigned kKinds = 32;
    switch (input_.byte() % kKinds) {
      case 0:
        return exec();
      case 1:
        return event(trace::MunmapEvent{address(), length(), result()});
      case 2:
        return event(trace::MprotectEvent{address(), length(), rights(), result()});
      case 3:
      case 4:
        return mremap();
      case 5:
        return event(trace::BrkEvent{address(), address()});
      case 6:
      case 7:
        return event(trace::MadviseEvent{address(), length(), advice(), result()});
      case 8:
      case 9:
        return fork();
      case 10:
        return event(trace::ExitEvent{static_cast<int32_t>(input_.number(2)), odd()});
      case 11:
        return event(trace::WaitEvent{pid(), static_cast<int32_t>(input_.number(2))});
      case 12:
        return event(trace::SwitchEvent{CpuId(input_.byte())});
      case 13:
        return event(trace::TruncateEvent{descriptor(), length(), result(), file()});
      case 14:
        return event(trace::FallocateEvent{descriptor(), input_.byte(), length(), length(),
                                           result(), file()});
      case 15:
        return event(trace::MsyncEvent{address(), length(), input_.byte(), result()});
      case 16:
        return event(
            trace::LockEvent{input_.byte() % 5u, address(), length(), input_.byte(), result()});
      case 17:
        return event(trace::ThpEvent{input_.byte() % 3u, input_.byte() % 4u, result()});
      case 18:
        return event(trace::ProcessMadviseEvent{pid(), address(), length(), advice(), result()});
      case 19:
        return event(trace::OtherCallEvent{file(), result()});
      case 20:
        return event(trace::MarkerEvent{file()});
      case 21:
      case 22:
        thread_ = thread();
        return encoder_.thread(thread_);
      case 23:
      case 24:
      case 25:
      case 26:
        return mmap();
      default:
        return block();
    }
  }

  bool odd() { return input_.byte() % 2 != 0; }
  Pid pid() { return Pid(1 + input_.byte() % 6u); }
  trace::ThreadId thread() {
    const uint8_t which = input_.byte();
    return {Pid(1 + which % 6u), Tid(1 + which % 6u + which / 64u)};
  }
  int32_t descriptor() { return static_cast<int32_t>(input_.byte() % 6) - 1; }
  std::string file() { return input_.one_of(kFiles); }
  uint32_t advice() {
    const uint8_t which = input_.byte();
    return which < std::size(kAdvices) * 8 ? kAdvices[which % std::size(kAdvices)] : which;
  }
  uint32_t rights() {
    const uint8_t bits = input_.byte();
    return (bits & 7u) | ((bits & 0xf8u) == 0xf8u ? uint32_t{kProtGrowsDown} : 0u);
  }
  int64_t result() {
    const uint8_t which = input_.byte();
    if (which < 224) return 0;
    return which < 240 ? -int64_t{which} : static_cast<int64_t>(input_.number(8));
  }

  // Pages, mostly; now and then a power of two, or nearly one.
  uint64_t length() {
    const uint8_t how = input_.byte();
    const unsigned n = how & 63u;
    const uint64_t page = layout_.page.bytes();
    switch (how >> 6) {
      case 0:
        return n * page;
      case 1:
        return n * page * 16;
      case 2:
        return uint64_t{1} << n;
      default:
        return (uint64_t{1} << n) - 1 - input_.byte();
    }
  }

  // How far behind an address of the machine: whole pages, unless `fine`.
  uint64_t behind(bool fine) {
    const uint64_t page = layout_.page.bytes();
    const uint64_t pages = input_.byte() * page;
    if (!fine) return pages;
    const uint8_t in_page = input_.byte();
    return pages + (in_page < 240 ? in_page * (page / 256) : page - (255u - in_page));
  }

  // `fine`: of a reference, which seldom goes where nothing can be, since that ends some replays.
  VirtAddr address(bool fine = false) {
    const uint8_t how = input_.byte();
    const unsigned which = how >> 3;
    switch (fine && how % 8 != 7 ? how % 4 : how % 8) {
      case 0:
      case 1:
      case 2:
        return areas_[which % areas_.size()] + behind(fine);
      case 3:
        return areas_[which % areas_.size()] + length() + behind(true);
      case 4:
      case 5:
        return edges_[which % edges_.size()] + behind(fine);
      case 6:
        return edges_[which % edges_.size()] - behind(fine) - 1u;
      default:
        return VirtAddr(input_.number(8));
    }
  }

  void remember(VirtAddr area) {
    if (areas_.size() < kAreas)
      areas_.push_back(area);
    else
      areas_[next_area_++ % kAreas] = area;
  }

  void mmap() {
    trace::MmapEvent e;
    const uint64_t bits = input_.number(2);
    for (size_t i = 0; i < std::size(kMapFlags); ++i)
      if ((bits >> i & 1) != 0) e.flags |= kMapFlags[i];
    // All of them at once mean little.
    if ((bits >> 11 & 1) != 0) e.flags &= uint32_t{kMapType} | kMapAnonymous;
    e.prot = rights();
    e.length = length();
    const VirtAddr at = address();
    e.hint = at;
    e.result = static_cast<int64_t>(at.value());
    if ((e.flags & kMapAnonymous) == 0) {
      e.fd = descriptor();
      e.file = file();
      e.offset = input_.byte() * layout_.page.bytes();
    }
    remember(at);
    event(e);
  }

  void mremap() {
    trace::MremapEvent e;
    e.old_start = address();
    e.old_length = length();
    e.new_length = length();
    e.flags = input_.byte() % 8;
    const VirtAddr at = odd() ? e.old_start : address();
    e.new_hint = at;
    e.result = static_cast<int64_t>(at.value());
    remember(at);
    event(e);
  }

  void fork() {
    constexpr uint64_t kFlags[] = {0, kCloneVm, kCloneVm | kCloneVfork, kCloneVm | kCloneThread,
                                   kCloneVfork};
    const uint64_t flags = input_.one_of(kFlags);
    const bool told = input_.byte() % 16 != 0;
    event(trace::ForkEvent{thread(), flags, ((flags & kCloneVm) != 0) == told});
  }

  void exec() {
    trace::ExecEvent e;
    e.program = file();
    const unsigned areas = input_.byte() % 6;
    for (unsigned i = 0; i < areas; ++i) {
      trace::ImageArea area;
      area.range.begin = address();
      area.range.end = area.range.begin + length();
      area.prot = rights();
      area.flags = kMapFlags[input_.byte() % std::size(kMapFlags)];
      area.file_offset = input_.byte() * layout_.page.bytes();
      area.name = input_.one_of(kAreaNames);
      remember(area.range.begin);
      e.image.push_back(area);
    }
    if (odd()) e.brk = address(true);
    if (odd()) e.stack_top = address(true);
    event(e);
  }

  // A run of instructions of four bytes, executed some times, with data accesses that move on by a
  // stride each time.
  void block() {
    const uint8_t shape = input_.byte();
    const uint8_t times = input_.byte();
    std::array<uint8_t, 16> lengths;
    lengths.fill(4);
    trace::StaticBlock b{};
    b.instructions = static_cast<uint8_t>(1 + shape % 4);
    b.mem_ops = shape / 4 % 8;
    b.bytes = 4u * b.instructions;
    b.lengths = lengths.data();
    // The last instruction may leave the block's page, no other, and none the address space.
    const uint64_t page = trace::kBlockPage.bytes();
    const uint64_t at = address(true).value();
    const uint64_t in_page = std::min(at % page, page - b.bytes + 3);
    b.start = VirtAddr(at - at % page + in_page);
    if (b.start + b.bytes < b.start) b.start = b.start - page;
    b.crosses_page = in_page + b.bytes > page;

    std::array<trace::MemOp, 8> ops{};
    std::array<uint64_t, 8> addresses{};
    std::array<uint64_t, 8> strides{};
    for (unsigned i = 0; i < b.mem_ops; ++i) {
      const uint8_t what = input_.byte();
      constexpr uint16_t kBytes[] = {1, 8, 64, 4096};
      ops[i].instruction = static_cast<uint8_t>(i * b.instructions / b.mem_ops);
      ops[i].kind = static_cast<AccessKind>(1 + what % 3);
      ops[i].bytes = kBytes[what / 4 % 4];
      addresses[i] = address(true).value();
      strides[i] = (what >> 4) * layout_.page.bytes();
    }
    b.ops = ops.data();
    for (unsigned i = 0; i <= times % 32u && blocks_ < kMostBlocks; ++i) {
      ++blocks_;
      encoder_.block(b, hash_of(b), addresses.data());
      for (unsigned op = 0; op < b.mem_ops; ++op)
        addresses[op] += strides[op];
    }
  }

  static uint64_t hash_of(const trace::StaticBlock& block) {
    uint64_t hash = block.start.value();
    const auto mix = [&hash](uint64_t value) { hash = (hash ^ value) * 0x9e3779b97f4a7c15u; };
    mix(block.instructions);
    for (unsigned i = 0; i < block.mem_ops; ++i)
      mix(uint64_t{block.ops[i].instruction} << 32 | uint64_t{block.ops[i].bytes} << 8 |
          static_cast<uint64_t>(block.ops[i].kind));
    return hash ^ hash >> 32;
  }

  Input& input_;
  const mmu::AddressLayout& layout_;
  std::vector<VirtAddr> edges_;
  std::vector<VirtAddr> areas_;
  size_t next_area_ = 0;
  trace::ThreadId thread_{Pid(1), Tid(1)};
  trace::ChunkEncoder encoder_;
  unsigned events_ = 0;
  unsigned blocks_ = 0;
};

}  // namespace

Chunk history(Input& input, const mmu::AddressLayout& layout) {
  return Historian(input, layout).all();
}

}  // namespace mmusim::fuzz
