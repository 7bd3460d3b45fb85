// Traces that ask for too much or make no sense at all, and the report of what became of them.
#include "base/random.h"
#include "kernel/machine.h"
#include "tests/effort.h"

namespace mmusim::kernel::testing {
namespace replay_limits_test {

using namespace abi;

constexpr uint64_t kBase = 0x100000000000;
constexpr trace::ThreadId kP1 = thread_of(1), kP2 = thread_of(2);
constexpr uint32_t kRw = kProtRead | kProtWrite;
constexpr uint32_t kAnon = kMapPrivate | kMapAnonymous;

TEST(ReplayLimits, ManyProcessesAndThreads) {
  Machine m("[mem]\nbytes = 4M\n");  // 1,024 frames: far too few roots
  for (uint32_t i = 0; i < 20000; ++i) {
    m.kernel->apply(CpuId(0), kP1, trace::ForkEvent{thread_of(2 + i), 0, false});
    m.kernel->apply(CpuId(0), kP1, trace::ForkEvent{{Pid(1), Tid(2 + i)}, kCloneVm, true});
  }
  EXPECT_GT(m.counters().ignored[Ignored::NoMemory], 18000u);
  EXPECT_EQ(m.counters().threads, 20000u);
  EXPECT_THROW(m.kernel->run(CpuId(0), thread_of(19000)), Error);
  m.expect_nothing_leaks();
}

// exec without memory for a root, of a process whose old memory lives on with another: it may not
// go on in what it has no longer.
TEST(ReplayLimits, ExecWithoutMemoryLeavesNothingToRunIn) {
  Machine m("[mem]\nbytes = 1M\n");
  m.kernel->apply(CpuId(0), kP1, trace::ForkEvent{kP2, kCloneVm | kCloneVfork, true});
  m.kernel->run(CpuId(1), kP2);
  uint64_t written = 0;
  while (m.store(kP1, kBase + written * kPage) == Result::Ok)
    ++written;
  ASSERT_EQ(m.frames->free_frames(), 0u);
  EXPECT_THROW(m.kernel->apply(CpuId(1), kP2, trace::ExecEvent{}), Error);
  EXPECT_THROW(m.kernel->apply(CpuId(1), kP2, trace::MunmapEvent{VirtAddr(kBase), kPage, 0}),
               Error);
  EXPECT_EQ(
      m.kernel->fault(CpuId(1), VirtAddr(kBase), AccessKind::Load, mmu::FaultReason::NotPresent),
      FaultOutcome::Refused);
  EXPECT_EQ(m.store(kP1, kBase), Result::Ok);
  m.expect_nothing_leaks();
}

// What is mapped of an area counts, not how long it is: 2^24 huge pages would fit here.
TEST(ReplayLimits, LongAreasWithOneHugePage) {
  Machine m("[kernel]\nimply = false\nthp = always\n", "mlpt", kHuge);
  constexpr uint64_t kLong = uint64_t{1} << 45;
  Syscalls& sys = m.sys();
  ASSERT_EQ(sys.mmap(kP1, VirtAddr(kBase), kLong, kRw, kAnon | kMapFixed | kMapNoReserve),
            static_cast<int64_t>(kBase));
  ASSERT_EQ(m.store(kP1, kBase + kLong / 2), Result::Ok);
  ASSERT_EQ(m.mm(1).huge_leaves, 1u);
  const uint64_t before = m.sink->total(mem::Origin::Kernel);
  EXPECT_EQ(sys.madvise(kP1, VirtAddr(kBase), kLong, kAdviceCollapse), -kEINVAL);
  EXPECT_GT(sys.mremap(kP1, VirtAddr(kBase), kLong, kLong, kRemapMayMove | kRemapFixed,
                       VirtAddr(kBase + kLong + (uint64_t{1} << 30))),
            0);
  EXPECT_LT(m.sink->total(mem::Origin::Kernel) - before, 20000u);
  m.expect_accounts_agree();
  m.expect_nothing_leaks();
}

TEST(ReplayLimits, PopulatingMoreThanThereIsEnds) {
  Machine m("[mem]\nbytes = 8M\n");
  trace::MmapEvent e;
  e.length = uint64_t{1} << 46;
  e.prot = kProtRead;
  e.flags = kAnon | kMapPopulate;
  e.result = int64_t{1} << 45;
  m.kernel->apply(CpuId(0), kP1, e);
  e.prot = kRw;
  m.kernel->apply(CpuId(0), kP1, e);
  m.kernel->apply(CpuId(0), kP1, trace::ForkEvent{kP2, 0, false});
  m.expect_accounts_agree();
  m.expect_nothing_leaks();
}

// A fuzzer's idea of a trace. Whatever it says: no crash, no stale translation, right accounts.
TEST(ReplayFuzz, HostileEvents) {
  for (uint64_t seed = 1; seed <= tests::effort(30); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random r(seed);
    Machine m(seed % 3 == 0 ? "[mem]\nbytes = 2M\n[kernel]\nmax_map_count = 20\n"
                            : "[mem]\nbytes = 32M\n");
    const auto value = [&]() -> uint64_t {
      constexpr uint64_t kEdges[] = {0,
                                     1,
                                     kPage,
                                     kBase,
                                     0x10000,
                                     0x7ffffffff000,
                                     0x7fffffffe000,
                                     uint64_t{1} << 63,
                                     ~uint64_t{0},
                                     ~uint64_t{0xfff},
                                     uint64_t{1} << 47,
                                     uint64_t{1} << 39,
                                     uint64_t{1} << 30};
      switch (r.below(4)) {
        case 0:
          return kEdges[r.below(std::size(kEdges))];
        case 1:
          return r.next();
        default:
          return kBase + r.below(64) * kPage + (r.below(16) == 0 ? 7 : 0);
      }
    };
    const auto length = [&] { return r.below(4) == 0 ? value() : r.below(40) * kPage; };
    const auto result = [&] { return static_cast<int64_t>(r.below(3) == 0 ? 0 : value()); };
    const auto thread = [&] {
      return trace::ThreadId{Pid(static_cast<uint32_t>(r.below(6))),
                             Tid(static_cast<uint32_t>(r.below(3)))};
    };
    const auto bits = [&] { return static_cast<uint32_t>(r.next()); };
    for (int i = 0; i < 1500; ++i) {
      SCOPED_TRACE("step " + std::to_string(i));
      const CpuId cpu(static_cast<uint32_t>(r.below(3)));
      trace::Event event = trace::MarkerEvent{};
      switch (r.below(17)) {
        case 0: {
          trace::ExecEvent e;
          if (r.below(2) == 0) e.program = "p" + std::to_string(r.below(3));
          for (uint64_t n = r.below(5); n > 0; --n) {
            constexpr const char* kNames[] = {"", "[stack]", "[heap]", "[vvar]", "[vdso]", "/f"};
            e.image.push_back({{VirtAddr(value()), VirtAddr(value())},
                               bits(),
                               bits(),
                               value(),
                               kNames[r.below(6)]});
          }
          e.brk = VirtAddr(value());
          e.stack_top = VirtAddr(value());
          event = e;
          break;
        }
        case 1:
        case 2:
        case 3: {
          trace::MmapEvent e;
          e.hint = VirtAddr(value());
          e.length = length();
          e.prot = bits() & 15;
          e.flags =
              bits() & 0x1fffff & (r.below(4) == 0 ? ~0u : ~uint32_t{kMapPopulate | kMapLocked});
          e.fd = static_cast<int32_t>(r.below(4)) - 1;
          e.offset = r.below(3) == 0 ? value() : r.below(9) * kPage;
          e.result = result();
          if (r.below(3) == 0) e.file = r.below(2) == 0 ? "/f" : "/dev/shm/g";
          event = e;
          break;
        }
        case 4:
          event = trace::MunmapEvent{VirtAddr(value()), length(), 0};
          break;
        case 5:
          event = trace::MprotectEvent{VirtAddr(value()), length(), bits() & 15, 0};
          break;
        case 6:
          event = trace::MremapEvent{VirtAddr(value()), length(),
                                     length(),          bits() & 15,
                                     VirtAddr(value()), static_cast<int64_t>(value())};
          break;
        case 7:
          event = trace::BrkEvent{VirtAddr(value()), VirtAddr(value())};
          break;
        case 8:
          event = trace::MadviseEvent{VirtAddr(value()), length(), bits() % 30, 0};
          break;
        case 9:
          event = trace::ForkEvent{thread(), bits(), r.below(3) == 0};
          break;
        case 10:
          event = trace::ExitEvent{0, r.below(2) == 0};
          break;
        case 11:
          event = trace::TruncateEvent{-1, length(), 0, r.below(2) == 0 ? "/f" : "/dev/shm/g"};
          break;
        case 12:
          event = trace::FallocateEvent{-1,
                                        bits() & 0x1b,
                                        r.below(2) == 0 ? value() : length(),
                                        length(),
                                        0,
                                        r.below(2) == 0 ? "/f" : "/dev/shm/g"};
          break;
        case 13:
          event = trace::MsyncEvent{VirtAddr(value()), length(), bits() & 7, 0};
          break;
        case 14:
          event = trace::LockEvent{bits() % 5, VirtAddr(value()), length(), bits() & 7, 0};
          break;
        case 15:
          event =
              trace::ProcessMadviseEvent{thread().pid, VirtAddr(value()), length(), bits() % 30, 0};
          break;
        default:
          event = trace::WaitEvent{thread().pid, 0};
          break;
      }
      try {
        m.kernel->apply(cpu, thread(), event);
        for (int k = 0; k < 4; ++k)
          m.access(thread(), VirtAddr(value()), static_cast<AccessKind>(r.below(4)), cpu);
      } catch (const Error&) {
        // Only when not even a root fits into memory.
        ASSERT_EQ(m.frames->free_frames(), 0u);
      }
      if (i % 16 == 0) {
        ASSERT_NO_FATAL_FAILURE(m.expect_no_stale_translation());
        ASSERT_NO_FATAL_FAILURE(m.expect_accounts_agree());
      }
    }
    m.expect_nothing_leaks();
    if (::testing::Test::HasFailure()) return;
  }
}

// Two runs of the same events count the same.
TEST(ReplayReport, CountersHaveUniqueNamesAndAreRepeatable) {
  const auto run = [] {
    Machine m;
    m.kernel->run(CpuId(0), kP1);
    m.store(kP1, kBase);
    m.kernel->apply(CpuId(0), kP1, trace::ForkEvent{kP2, 0, false});
    m.store(kP2, kBase);
    stats::Report report;
    m.kernel->report(report);
    EXPECT_EQ(report.value("kernel.faults.minor"), 2u);
    EXPECT_EQ(report.value("kernel.faults.cow_copy"), 1u);
    EXPECT_EQ(report.value("kernel.rss.anon"), 2 * kPage);
    EXPECT_EQ(report.value("kernel.rss.anon_peak"), 2 * kPage);
    EXPECT_EQ(report.value("kernel.page_tables.bytes"), 6 * kPage);
    EXPECT_EQ(report.value("kernel.page_tables.roots"), 2 * kPage);
    EXPECT_EQ(report.value("kernel.implied.areas"), 1u);
    std::string all;
    for (const stats::Counter& c : report.counters()) {
      all += c.name + "=" + std::to_string(c.value) + "\n";
      if (!c.denominator.empty()) {
        EXPECT_NE(report.find(c.denominator), nullptr) << c.name;
      }
    }
    return all;
  };
  EXPECT_EQ(run(), run());
}

}  // namespace replay_limits_test
}  // namespace mmusim::kernel::testing
