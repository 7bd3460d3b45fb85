// A program step by step, each step compared with what a real Linux counted for it.
#ifndef MMUSIM_TESTS_UNIT_KERNEL_SCRIPT_H_
#define MMUSIM_TESTS_UNIT_KERNEL_SCRIPT_H_

#include <functional>
#include <vector>

#include "kernel/machine.h"

namespace mmusim::kernel::testing {
using namespace abi;

inline constexpr uint64_t kK = 1024, kM = kK * kK, kG = kK * kM;
inline constexpr uint64_t kBase = 0x100000000000;
inline constexpr trace::ThreadId kP1 = thread_of(1), kP2 = thread_of(2);
inline constexpr uint32_t kRw = kProtRead | kProtWrite;

struct Counted {  // memory in KiB
  int64_t faults = 0, anon = 0, file = 0, tables = 0, areas = 0;
  bool operator==(const Counted&) const = default;
};
inline std::ostream& operator<<(std::ostream& out, const Counted& c) {
  return out << c.faults << " faults, anon " << c.anon << " K, file " << c.file << " K, tables "
             << c.tables << " K, " << c.areas << " areas";
}

class Script {
 public:
  explicit Script(const std::string& settings = "", const std::string& backend = "mlpt")
      : m(settings, backend), as_radix_(backend == "mlpt") {
    m.kernel->run(CpuId(0), kP1);
  }

  // Does something as process `pid` and compares what it cost that process with Linux's numbers.
  void step(const char* what, const std::function<void()>& action, const Counted& linux_counted,
            uint32_t pid = 1) {
    const Counted before = now(pid);
    action();
    const Counted after = now(pid);
    Counted cost{after.faults - before.faults, after.anon - before.anon, after.file - before.file,
                 after.tables - before.tables, after.areas - before.areas};
    // Linux's tables are a radix table; another backend has its own.
    if (!as_radix_) cost.tables = linux_counted.tables;
    EXPECT_EQ(cost, linux_counted) << what;
    m.expect_no_stale_translation();
    m.expect_accounts_agree();
  }

  void map(uint64_t at, uint64_t length, uint32_t prot = kRw,
           uint32_t flags = kMapPrivate | kMapAnonymous, FileId file = FileId(0)) {
    ASSERT_EQ(m.sys().mmap(kP1, VirtAddr(at), length, prot, flags | kMapFixed, file, 0),
              static_cast<int64_t>(at));
  }
  void unmap(uint64_t at, uint64_t length) {
    ASSERT_EQ(m.sys().munmap(kP1, VirtAddr(at), length), 0);
  }
  void touch(AccessKind kind, uint64_t at, uint64_t pages, trace::ThreadId who = kP1) {
    for (uint64_t i = 0; i < pages; ++i)
      ASSERT_EQ(m.access(who, VirtAddr(at + i * kPage), kind), Result::Ok);
  }
  void write(uint64_t at, uint64_t pages, trace::ThreadId who = kP1) {
    touch(AccessKind::Store, at, pages, who);
  }
  void read(uint64_t at, uint64_t pages, trace::ThreadId who = kP1) {
    touch(AccessKind::Load, at, pages, who);
  }
  void end() { m.expect_nothing_leaks(); }

  void advise(uint64_t at, uint64_t length, uint32_t advice, int64_t result = 0) {
    ASSERT_EQ(m.sys().madvise(kP1, VirtAddr(at), length, advice), result);
  }
  void map_huge(uint64_t at, uint64_t length) {
    map(at, length);
    advise(at, length, kAdviceHugePage);
  }

  Machine m;

 private:
  bool as_radix_;

  Counted now(uint32_t pid) {
    if (!m.kernel->system().processes().contains(Pid(pid))) return {};
    const Process& p = m.process(pid);
    if (p.mm == nullptr) return {static_cast<int64_t>(p.faults.minor)};
    const auto kib = [](uint64_t pages) { return static_cast<int64_t>(pages * kPage / kK); };
    return {static_cast<int64_t>(p.faults.minor), kib(p.mm->rss(PageKind::Anonymous)),
            kib(p.mm->rss(PageKind::File) + p.mm->rss(PageKind::Shmem)),
            static_cast<int64_t>(p.mm->page_table_bytes() / kK),
            static_cast<int64_t>(p.mm->vmas.size())};
  }
};

inline constexpr uint64_t k2M = 2 * kM;

}  // namespace mmusim::kernel::testing

#endif  // MMUSIM_TESTS_UNIT_KERNEL_SCRIPT_H_
