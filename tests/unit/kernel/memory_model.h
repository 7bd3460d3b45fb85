// The whole kernel against a model of what memory means: what a program wrote is what it reads, a
// fork's child has its own copy, shared memory is shared. Random calls by several processes; the
// frames' contents are kept beside the simulation, so that a page copied, shared, freed or flushed
// wrongly shows as a wrong value or as a stale translation.
#ifndef MMUSIM_TESTS_UNIT_KERNEL_MEMORY_MODEL_H_
#define MMUSIM_TESTS_UNIT_KERNEL_MEMORY_MODEL_H_

#include <map>
#include <memory>
#include <optional>

#include "base/random.h"
#include "kernel/machine.h"
#include "kernel/rmap_check.h"
#include "tests/effort.h"

namespace mmusim::kernel::testing {

using namespace abi;

inline constexpr uint64_t kArena = 0x10000000000 - 32 * kPage;  // across the border of every table
inline constexpr uint64_t kArenaPages = 96;
using Cell = std::shared_ptr<uint64_t>;

struct ModelPage {
  uint32_t prot = 0;
  bool shared = false;
  Cell backing;                  // of shared or file memory; null: zeros
  std::optional<uint64_t> own;   // a private page that was written
  std::optional<uint64_t> file;  // page of the file behind it
  bool given_up = false;         // by MADV_FREE: `own` may turn into zeros until written
  [[nodiscard]] uint64_t value() const { return own ? *own : backing ? *backing : 0; }
};
using ModelSpace = std::map<uint64_t, ModelPage>;  // by page number

struct Setup {
  std::string settings;
  std::string backend = "mlpt";
  PageShift huge = kHuge;
  uint64_t frames = 0;  // with swap space: so many frames, and no more; 0: there is none
};

class Run {
 public:
  Run(uint64_t seed, const Setup& setup)
      : random_(seed), swap_(setup.frames != 0), m_(setup.settings, setup.backend, setup.huge) {
    m_.on_free = [this](Pfn first, unsigned order) {
      for (uint64_t i = 0; i < uint64_t{1} << order; ++i)
        content_.erase(first + i);
    };
    m_.on_transfer = [this](const PageTransfer& page) {
      transferred_ = page.pfn;
      uint64_t& kept =
          away_[{page.slot, page.slot == 0 ? page.file : 0, page.slot == 0 ? page.index : 0}];
      if (page.out) {
        kept = content_.contains(page.pfn) ? content_[page.pfn] : 0;
      } else {
        content_[page.pfn] = kept;
      }
    };
    while (swap_ && m_.frames->free_frames() > setup.frames)
      taken_.push_back(*m_.frames->allocate(0, mem::FrameUse::Reserved, 0));
    file_ = m_.sys().open("/file", kArenaPages * kPage);
    m_.kernel->run(CpuId(0), thread_of(1));
    spaces_[1] = std::make_shared<ModelSpace>();
  }

  void step() {
    pid_ = pick_process();
    cpu_ = CpuId(static_cast<uint32_t>(random_.below(2)));
    m_.sys().on(cpu_);
    switch (random_.below(16)) {
      case 0:
      case 1:
        map();
        break;
      case 2:
        unmap();
        break;
      case 3:
        protect();
        break;
      case 4:
        remap();
        break;
      case 5:
        forget();
        break;
      case 6:
        fork();
        break;
      case 7:
        if (random_.below(3) == 0) exit();
        break;
      case 8:
      case 9:
      case 10:
        if (swap_) {
          advise_reclaim();
        } else if (m_.huge != kHuge) {
          advise();
        }
        [[fallthrough]];
      default:
        for (int i = 0; i < 12; ++i)
          access();
    }
    if (m_.kernel->keeps_time())
      let_promote([this] { m_.kernel->ran(cpu_, 1 + random_.below(2000)); });
  }

  void check() {
    ASSERT_NO_FATAL_FAILURE(m_.expect_no_stale_translation());
    ASSERT_NO_FATAL_FAILURE(m_.expect_accounts_agree());
    if (swap_) {
      ASSERT_NO_FATAL_FAILURE(expect_rmap_agrees(m_));
    }
    for (const auto& [pid, space] : spaces_) {
      for (uint64_t i = 0; i < kArenaPages; ++i) {
        const uint64_t page = kArena / kPage + i;
        const Vma* vma = m_.mm(pid).vmas.find(VirtAddr(page * kPage));
        const auto it = space->find(page);
        ASSERT_EQ(vma != nullptr, it != space->end()) << "process " << pid << " page " << i;
        if (vma == nullptr) continue;
        ASSERT_EQ(vma->flags & kVmRights, it->second.prot);
        ASSERT_EQ(vma->is_shared(), it->second.shared);
      }
    }
  }

  void end() {
    for (const Pfn pfn : taken_)
      m_.frames->free(pfn, 0);
    m_.expect_nothing_leaks();
  }
  [[nodiscard]] const Counters& counters() const { return m_.counters(); }

 private:
  uint32_t pick_process() {
    auto it = spaces_.begin();
    std::advance(it, static_cast<long>(random_.below(spaces_.size())));
    return it->first;
  }
  trace::ThreadId thread() const { return thread_of(pid_); }
  ModelSpace& model() { return *spaces_[pid_]; }
  uint64_t pick_page() { return kArena / kPage + random_.below(kArenaPages); }
  std::pair<uint64_t, uint64_t> pick_range() {
    const uint64_t from = random_.below(kArenaPages);
    const uint64_t most = std::min<uint64_t>(kArenaPages - from, 1 + random_.below(40));
    return {kArena / kPage + from, 1 + random_.below(most)};
  }
  uint32_t pick_prot() {
    constexpr uint32_t kProts[] = {0, kProtRead, kProtRead | kProtWrite, kProtRead | kProtWrite,
                                   kProtRead | kProtExec};
    return kProts[random_.below(5)];
  }

  void map() {
    const auto [page, pages] = pick_range();
    const uint32_t prot = pick_prot();
    const bool shared = random_.below(3) == 0;
    const bool of_file = random_.below(3) == 0;
    const bool populates = !of_file && random_.below(4) == 0;
    const uint32_t flags = uint32_t{shared ? kMapShared : kMapPrivate} |
                           (of_file ? 0u : uint32_t{kMapAnonymous}) |
                           (populates ? uint32_t{kMapPopulate} : 0u) | kMapFixed;
    const uint64_t first = of_file ? random_.below(kArenaPages - pages + 1) : 0;
    ASSERT_EQ(m_.sys().mmap(thread(), VirtAddr(page * kPage), pages * kPage, prot, flags, file_,
                            first * kPage),
              static_cast<int64_t>(page * kPage));
    for (uint64_t i = 0; i < pages; ++i) {
      ModelPage& p = model()[page + i] = {};
      p.prot = prot;
      p.shared = shared;
      if (of_file) {
        Cell& cell = file_cells_[first + i];
        if (!cell) cell = std::make_shared<uint64_t>(0);
        p.backing = cell;
        p.file = first + i;
      } else if (shared) {
        p.backing = std::make_shared<uint64_t>(0);
      }
    }
  }

  void unmap() {
    const auto [page, pages] = pick_range();
    ASSERT_EQ(m_.sys().munmap(thread(), VirtAddr(page * kPage), pages * kPage), 0);
    model().erase(model().lower_bound(page), model().lower_bound(page + pages));
  }

  void protect() {
    const auto [page, pages] = pick_range();
    const uint32_t prot = pick_prot();
    int64_t expected = 0;
    for (uint64_t i = 0; i < pages && expected == 0; ++i) {
      const auto it = model().find(page + i);
      if (it == model().end()) {
        expected = -kENOMEM;
      } else {
        it->second.prot = prot;
      }
    }
    ASSERT_EQ(m_.sys().mprotect(thread(), VirtAddr(page * kPage), pages * kPage, prot), expected);
  }

  // Moves a part of one area elsewhere in the arena.
  void remap() {
    const uint64_t page = pick_page();
    const Vma* vma = m_.mm(pid_).vmas.find(VirtAddr(page * kPage));
    if (vma == nullptr) return;
    const uint64_t pages = 1 + random_.below((vma->end - VirtAddr(page * kPage)) / kPage);
    if (pages > kArenaPages) return;
    const uint64_t target = kArena / kPage + random_.below(kArenaPages - pages + 1);
    const bool overlaps = target < page + pages && page < target + pages;
    const int64_t result =
        m_.sys().mremap(thread(), VirtAddr(page * kPage), pages * kPage, pages * kPage,
                        kRemapMayMove | kRemapFixed, VirtAddr(target * kPage));
    if (overlaps) {
      ASSERT_EQ(result, -kEINVAL);
      return;
    }
    ASSERT_EQ(result, static_cast<int64_t>(target * kPage));
    for (uint64_t i = 0; i < pages; ++i) {
      model()[target + i] = model().at(page + i);
      model().erase(page + i);
    }
  }

  void forget() {
    const auto [page, pages] = pick_range();
    bool hole = false;
    for (uint64_t i = 0; i < pages; ++i) {
      const auto it = model().find(page + i);
      if (it == model().end()) {
        hole = true;
      } else {
        it->second.own.reset();
      }
    }
    ASSERT_EQ(m_.sys().madvise(thread(), VirtAddr(page * kPage), pages * kPage, kAdviceDontNeed),
              hole ? -kENOMEM : 0);
  }

  [[nodiscard]] Pfn frame_at(uint64_t page) const { return frame_at(pid_, page); }
  [[nodiscard]] Pfn frame_at(uint32_t pid, uint64_t page) const {
    const pt::Lookup found =
        m_.kernel->system().processes().at(Pid(pid)).mm->table->peek(VirtAddr(page * kPage));
    if (!m_.format.is_present(found.entry)) return Pfn(0);
    return m_.format.pfn_of(found.entry) + (VirtAddr(page * kPage) - found.base) / kPage;
  }

  [[nodiscard]] bool is_away(uint64_t page) const {
    const pt::Entry e =
        m_.kernel->system().processes().at(Pid(pid_)).mm->table->peek(VirtAddr(page * kPage)).entry;
    return e != pt::kNone && !m_.format.is_present(e);
  }

  // About huge pages: only a collapse moves contents.
  void advise() {
    auto [page, pages] = pick_range();
    constexpr uint32_t kAdvices[] = {kAdviceHugePage, kAdviceHugePage, kAdviceNoHugePage,
                                     kAdviceCollapse, kAdviceCollapse, kAdviceCollapse};
    const uint32_t advice = kAdvices[random_.below(6)];
    const Vma* vma = m_.mm(pid_).vmas.find(VirtAddr(page * kPage));
    if (advice == kAdviceCollapse && vma != nullptr) {  // one that has a chance
      page = vma->start.value() / kPage;
      pages = vma->range().bytes() / kPage;
    }
    std::map<uint64_t, uint64_t> before;
    for (uint64_t i = 0; i < pages; ++i)
      if (const Pfn pfn = frame_at(page + i); content_.contains(pfn))
        before[page + i] = content_[pfn];
    const std::map<FilePage, uint64_t> of_files = file_contents();
    static_cast<void>(m_.sys().madvise(thread(), VirtAddr(page * kPage), pages * kPage, advice));
    for (const auto& [where, value] : before)
      if (const Pfn pfn = frame_at(where); pfn != Pfn(0)) content_[pfn] = value;
    for (const auto& [where, value] : of_files)
      if (const auto pfn = m_.kernel->system().core.cache.find(where.first, where.second))
        content_[*pfn] = value;
  }

  // What moves no contents but those it promotes, in any process.
  template <class Promotes>
  void let_promote(Promotes promotes) {
    std::map<std::pair<uint32_t, uint64_t>, uint64_t> before;
    for (const auto& [pid, space] : spaces_)
      for (const auto& [page, what] : *space)
        if (const auto held = content_.find(frame_at(pid, page)); held != content_.end())
          before[{pid, page}] = held->second;
    promotes();
    for (const auto& [where, value] : before)
      if (const Pfn pfn = frame_at(where.first, where.second); pfn != Pfn(0)) content_[pfn] = value;
  }

  // What the pages in the cache hold; the frames may change.
  using FilePage = std::pair<FileId, uint64_t>;
  std::map<FilePage, uint64_t> file_contents() {
    std::map<FilePage, uint64_t> contents;
    const PageCache& cache = m_.kernel->system().core.cache;
    for (const FileId file : cache.all())
      for (const auto& [number, chunk] : cache.file(file).chunks)
        for (uint64_t i = 0; i < File::kChunk; ++i)
          if (const auto held = content_.find(chunk.frames[i]); held != content_.end())
            contents[{file, number * File::kChunk + i}] = held->second;
    return contents;
  }

  // Hints whose effect on what is read is nothing, or zeros instead of what was written.
  void advise_reclaim() {
    const uint64_t page = pick_page();
    const Vma* vma = m_.mm(pid_).vmas.find(VirtAddr(page * kPage));
    if (vma == nullptr) return;
    const uint64_t pages = 1 + random_.below((vma->end - VirtAddr(page * kPage)) / kPage);
    constexpr uint32_t kAdvices[] = {kAdviceFree, kAdviceCold, kAdvicePageOut};
    const uint32_t advice = kAdvices[random_.below(3)];
    const bool fits = advice != kAdviceFree || (vma->is_anonymous() && !vma->is_shared());
    ASSERT_EQ(m_.sys().madvise(thread(), VirtAddr(page * kPage), pages * kPage, advice),
              fits ? 0 : -kEINVAL);
    if (!fits || advice != kAdviceFree) return;
    for (uint64_t i = 0; i < pages; ++i)
      model().at(page + i).given_up = true;
  }

  void fork() {
    if (spaces_.size() >= 6) return;
    const uint32_t child = ++last_pid_;
    const bool shares = random_.below(5) == 0;
    ASSERT_EQ(
        m_.sys().clone(thread(), thread_of(child), shares ? uint64_t{kCloneVm} | kCloneVfork : 0),
        child);
    spaces_[child] = shares ? spaces_[pid_] : std::make_shared<ModelSpace>(model());
  }

  void exit() {
    if (spaces_.size() < 2) return;
    ASSERT_EQ(m_.sys().exit(thread(), 0), 0);
    spaces_.erase(pid_);
  }

  void access() {
    const uint64_t page = pick_page();
    const VirtAddr va(page * kPage);
    const AccessKind kind = random_.below(2) == 0 ? AccessKind::Load : AccessKind::Store;
    const auto it = model().find(page);
    const bool allowed = it != model().end() && (writes(kind) ? (it->second.prot & kProtWrite) != 0
                                                              : it->second.prot != 0);
    const Pfn old = frame_at(page);
    const bool was_away = old == Pfn(0) && is_away(page);
    transferred_ = Pfn(0);
    Result result = Result::Ok;
    const auto make = [&] { result = m_.access(thread(), va, kind, cpu_); };
    // A write may copy more than the page.
    m_.kernel->system().core.settings.superpage_cow_whole ? let_promote(make) : make();
    ASSERT_EQ(result, allowed ? Result::Ok : Result::Refused) << "page " << page - kArena / kPage;
    if (!allowed) return;
    const Pfn pfn = frame_at(page);
    // The copying that the kernel would have done.
    if (was_away || transferred_ == pfn) {
      // read back with its contents
    } else if (old != Pfn(0)) {
      if (old != pfn && content_.contains(old)) content_[pfn] = content_[old];
    } else if (it->second.file && m_.frames->frame(pfn).use == mem::FrameUse::Anonymous) {
      const auto cached = m_.kernel->system().core.cache.find(file_, *it->second.file);
      ASSERT_TRUE(cached);
      if (content_.contains(*cached)) content_[pfn] = content_[*cached];
    }
    const auto held = m_.tlb.find(cpu_, m_.mm(pid_).id, va);
    ASSERT_NE(held, m_.tlb.held.end());
    ASSERT_EQ(held->second.pfn + (va - held->first.page) / kPage, pfn);
    check_contents(page, pfn, kind);
    if (m_.kernel->counts_misses()) let_promote([&] { m_.kernel->missed(cpu_, va); });
  }

  // ... of a page that was just accessed.
  void check_contents(uint64_t page, Pfn pfn, AccessKind kind) {
    const auto it = model().find(page);
    if (kind == AccessKind::Store) {
      const uint64_t value = ++last_value_;
      content_[pfn] = value;
      if (it->second.shared) {
        *it->second.backing = value;
      } else {
        it->second.own = value;
        it->second.given_up = false;
      }
    } else {
      const uint64_t read = content_.contains(pfn) ? content_[pfn] : 0;
      if (it->second.given_up && read == 0) it->second.own.reset();
      ASSERT_EQ(read, it->second.value())
          << "process " << pid_ << " page " << page - kArena / kPage;
    }
  }

  Random random_;
  bool swap_;
  std::vector<Pfn> taken_;  // so that memory is short
  Machine m_;
  FileId file_;
  std::map<uint32_t, std::shared_ptr<ModelSpace>> spaces_;
  std::map<uint64_t, Cell> file_cells_;
  std::map<Pfn, uint64_t> content_;
  Pfn transferred_;  // last, in the access that is going on
  // Of pages that are not in memory: by slot, or by file and index.
  std::map<std::tuple<uint64_t, uint64_t, uint64_t>, uint64_t> away_;
  uint32_t pid_ = 1;
  uint32_t last_pid_ = 1;
  CpuId cpu_;
  uint64_t last_value_ = 0;
};

// What all of them counted about huge pages goes to `total`.
inline void run_seeds(uint64_t first, uint64_t count, const Setup& setup,
                      Counters* total = nullptr) {
  for (uint64_t seed = first; seed < first + tests::effort(count); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Run run(seed, setup);
    for (int i = 0; i < 400; ++i) {
      SCOPED_TRACE("step " + std::to_string(i));
      ASSERT_NO_FATAL_FAILURE(run.step());
      ASSERT_NO_FATAL_FAILURE(run.check());
    }
    run.end();
    if (::testing::Test::HasFailure()) return;
    if (total == nullptr) continue;
    total->swap_writes += run.counters().swap_writes;
    total->swap_reads += run.counters().swap_reads;
    total->swap_hits += run.counters().swap_hits;
    total->files_dropped += run.counters().files_dropped;
    total->lazily_freed += run.counters().lazily_freed;
    total->reclaim_runs += run.counters().reclaim_runs;
    total->huge_faults += run.counters().huge_faults;
    total->huge_fallbacks += run.counters().huge_fallbacks;
    total->huge_splits += run.counters().huge_splits;
    total->huge_collapses += run.counters().huge_collapses;
    total->huge_shared += run.counters().huge_shared;
    total->huge_shared_maps += run.counters().huge_shared_maps;
    total->tables_joined += run.counters().tables_joined;
    total->tables_left += run.counters().tables_left;
    total->reservations += run.counters().reservations;
    total->reservations_broken += run.counters().reservations_broken;
    for (const auto& [size, counted] : run.counters().sizes) {
      total->sizes[size].promoted += counted.promoted;
      total->sizes[size].copied += counted.copied;
      total->sizes[size].parts += counted.parts;
      total->sizes[size].cow += counted.cow;
    }
  }
}

}  // namespace mmusim::kernel::testing

#endif  // MMUSIM_TESTS_UNIT_KERNEL_MEMORY_MODEL_H_
