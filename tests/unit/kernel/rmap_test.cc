// Who maps a frame: the reverse map against a scan of every page table, in a random model.
#include <array>
#include <vector>

#include "base/random.h"
#include "kernel/rmap_check.h"
#include "tests/effort.h"

namespace mmusim::kernel::testing {
namespace rmap_test {

using namespace abi;

constexpr uint64_t kArena = 0x10000000000 - 64 * kPage;  // across the border of every table
constexpr uint64_t kPages = 128;
constexpr uint32_t kReadWrite = kProtRead | kProtWrite;
const std::string kSmallMemory = "[mem]\nbytes = 16M\n[kernel]\nimply = false\nswap_pages = 64\n";

// Random calls; their results do not matter here.
class Driver {
 public:
  // `frames`: so many free ones at first; 0: all there are.
  Driver(uint64_t seed, const std::string& settings, const std::string& backend, PageShift huge,
         uint64_t frames = 0)
      : random_(seed), m_(settings, backend, huge) {
    while (frames != 0 && m_.frames->free_frames() > frames)
      taken_.push_back(*m_.frames->allocate(0, mem::FrameUse::Reserved, 0));
    file_ = m_.sys().open("/file", kPages * kPage);
    m_.kernel->run(CpuId(0), thread_of(1));
  }

  void step() {
    const uint64_t from = kArena + random_.below(kPages) * kPage;
    const uint64_t bytes =
        (1 + random_.below(std::min<uint64_t>(40, (kArena - from) / kPage + kPages))) * kPage;
    const VirtAddr at(from);
    const trace::ThreadId who = thread_of(pids_[random_.below(pids_.size())]);
    Syscalls& sys = m_.sys();
    switch (random_.below(12)) {
      case 0: {
        const bool shared = random_.below(3) == 0;
        const bool of_file = random_.below(2) == 0;
        const uint32_t flags = uint32_t{shared ? kMapShared : kMapPrivate} | kMapFixed |
                               (of_file ? 0u : uint32_t{kMapAnonymous});
        sys.mmap(who, at, bytes, kReadWrite, flags, file_, random_.below(kPages) * kPage);
        break;
      }
      case 1:
        sys.munmap(who, at, bytes);
        break;
      case 2:
        sys.mprotect(who, at, bytes, random_.below(2) == 0 ? uint32_t{kProtRead} : kReadWrite);
        break;
      case 3:
      case 4: {
        const uint32_t keep = random_.below(3) == 0 ? uint32_t{kRemapDontUnmap} : 0;
        sys.mremap(who, at, bytes, bytes, kRemapMayMove | kRemapFixed | keep,
                   VirtAddr(kArena + random_.below(kPages) * kPage));
        break;
      }
      case 5:
        if (pids_.size() >= 6) break;
        if (sys.clone(who, thread_of(++last_pid_), 0) > 0) pids_.push_back(last_pid_);
        break;
      case 6:
        if (pids_.size() < 2 || random_.below(3) != 0) break;
        ASSERT_EQ(sys.exit(who, 0), 0);
        std::erase(pids_, who.pid.value());
        break;
      case 7:
        sys.madvise(who, at, bytes, kAdvices[random_.below(6)]);
        break;
      default:
        for (int i = 0; i < 12; ++i) {
          const VirtAddr va(kArena + random_.below(kPages) * kPage);
          m_.access(who, va, random_.below(2) == 0 ? AccessKind::Load : AccessKind::Store);
        }
    }
  }

  Machine& machine() { return m_; }
  void end() {
    for (const Pfn pfn : taken_)
      m_.frames->free(pfn, 0);
    m_.expect_nothing_leaks();
  }

 private:
  Random random_;
  Machine m_;
  FileId file_;
  static constexpr std::array<uint32_t, 6> kAdvices{
      kAdviceDontNeed, kAdviceCollapse, kAdviceCollapse, kAdviceFree, kAdviceCold, kAdvicePageOut};
  std::vector<uint32_t> pids_{1};
  std::vector<Pfn> taken_;
  uint32_t last_pid_ = 1;
};

// The number of places compared.
uint64_t run_seeds(uint64_t first, const std::string& settings, const std::string& backend,
                   PageShift huge) {
  uint64_t places = 0;
  for (uint64_t seed = first; seed < first + tests::effort(6); ++seed) {
    SCOPED_TRACE(backend + ", seed " + std::to_string(seed));
    Driver driver(seed, settings, backend, huge);
    for (int i = 0; i < 300 && !::testing::Test::HasFailure(); ++i) {
      SCOPED_TRACE("step " + std::to_string(i));
      driver.step();
      expect_rmap_agrees(driver.machine(), &places);
    }
    if (::testing::Test::HasFailure()) return 0;
    driver.end();
  }
  return places;
}

TEST(Rmap, FindsWhatAScanFinds) {
  for (const pt::Backend& backend : pt::backends())
    EXPECT_GT(run_seeds(1, kSmallMemory, backend.name, kHuge), tests::effort(50000));
}

TEST(Rmap, FindsPartsOfHugePages) {
  const std::string huge = "[pt.mlpt]\nlevels = 12:2:leaf,14:12:leaf,26:10,36:12\n";
  for (const std::string& backend : backend_names())
    EXPECT_GT(run_seeds(50, huge + kSmallMemory + "thp = always\n", backend, PageShift(14)),
              tests::effort(50000));
}

// Whatever fails for want of frames and swap space leaves everything right, and nothing behind.
TEST(Rmap, HoldsWhenMemoryAndSwapRunOut) {
  const std::string levels = "[pt.mlpt]\nlevels = 12:2:leaf,14:9:leaf,23:9,32:9,41:6\n";
  const std::string full = "[mem]\nbytes = 2M\n[kernel]\nimply = false\nswap_pages = 20\n";
  for (const pt::Backend& backend : pt::backends()) {
    for (const bool small_huge : {false, true}) {
      uint64_t failed = 0;
      for (uint64_t seed = 100; seed < 100 + tests::effort(8); ++seed) {
        SCOPED_TRACE(std::string(backend.name) + ", seed " + std::to_string(seed));
        Driver driver(seed, small_huge ? levels + full + "thp = always\n" : full, backend.name,
                      small_huge ? PageShift(14) : kHuge, 50 + seed % 4 * 20);
        for (int i = 0; i < 300 && !::testing::Test::HasFailure(); ++i) {
          SCOPED_TRACE("step " + std::to_string(i));
          driver.step();
          driver.machine().expect_accounts_agree();
          driver.machine().expect_no_stale_translation();
          expect_rmap_agrees(driver.machine());
        }
        if (::testing::Test::HasFailure()) return;
        failed += driver.machine().counters().no_memory;
        driver.end();
      }
      EXPECT_GT(failed, tests::effort(20));
    }
  }
}

// A page of a forked family that was moved in one of them: two places, at two addresses.
TEST(Rmap, FollowsAMoveAfterFork) {
  Machine m(kSmallMemory);
  const auto parent = thread_of(1);
  m.kernel->run(CpuId(0), parent);
  constexpr uint64_t kHere = 0x10000000, kThere = 0x20000000;
  m.sys().mmap(parent, VirtAddr(kHere), 4 * kPage, kReadWrite,
               kMapPrivate | kMapAnonymous | kMapFixed, FileId(0), 0);
  ASSERT_EQ(m.store(parent, kHere + 2 * kPage), Result::Ok);
  const Pfn pfn = m.format.pfn_of(m.mm(1).table->peek(VirtAddr(kHere + 2 * kPage)).entry);
  ASSERT_EQ(m.sys().clone(parent, thread_of(2), 0), 2);
  ASSERT_EQ(m.sys().mremap(thread_of(2), VirtAddr(kHere + kPage), 3 * kPage, 3 * kPage,
                           kRemapMayMove | kRemapFixed, VirtAddr(kThere)),
            static_cast<int64_t>(kThere));
  const auto found = m.kernel->system().core.rmap->mappers(pfn);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].mm, &m.mm(1));
  EXPECT_EQ(found[0].page, VirtAddr(kHere + 2 * kPage));
  EXPECT_EQ(found[1].mm, &m.mm(2));
  EXPECT_EQ(found[1].page, VirtAddr(kThere + kPage));
}

}  // namespace rmap_test
}  // namespace mmusim::kernel::testing
