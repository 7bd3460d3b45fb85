// What a script's process on the real kernel does to itself and knows of itself, by /proc.
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sim/workload/names.h"
#include "sim/workload/native_worker.h"

// Since Linux 5.14; glibc may be older.
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

namespace mmusim::sim::workload {

namespace {

constexpr uint64_t kMostOfOwn = uint64_t{1} << 32;
// Larger than the code and constants of anything a worker calls; smaller than what a library brings
// along that it does not (libicudata's 31 MB, which libarchive needs), for each process again. All
// the same mlockall would fault it in.
constexpr uint64_t kMostToRead = uint64_t{16} << 20;
constexpr int kFillFlags = MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE;  // merges with nothing
// Up to here a table of x86-64's third level serves what lies on both sides of the base.
constexpr uint64_t kBorder = (kNativeMmapBase | ((uint64_t{1} << 39) - 1)) + 1;

}  // namespace

// The script's heap gets a place of its own. What the C library has of the old one stays; it must
// not ask for more, and does not, since workers allocate nothing. All marks of the address space
// are set at once, which needs no privilege; the others are set to what they are (proc(5), stat).
void Worker::place_break() {
  static constexpr const char* kWhat =
      "place the heap for brk (prctl PR_SET_MM_MAP, of kernels with CONFIG_CHECKPOINT_RESTORE)";
  read_file("/proc/self/stat");
  std::array<uint64_t, 52> fields{};  // by proc(5)'s number
  const char* at = std::strrchr(text_.data(), ')');
  if (at == nullptr) fatal(kWhat);
  at += 3;  // the state, a letter, is field 3
  for (size_t i = 4; i < fields.size(); ++i) {
    char* end = nullptr;
    fields[i] = std::strtoull(at + 1, &end, 10);
    at = end;
  }
  prctl_mm_map map{};
  map.start_code = fields[26];
  map.end_code = fields[27];
  map.start_stack = fields[28];
  map.start_data = fields[45];
  map.end_data = fields[46];
  map.arg_start = fields[48];
  map.arg_end = fields[49];
  map.env_start = fields[50];
  map.env_end = fields[51];
  map.start_brk = map.brk = kBase + kHeap;
  map.exe_fd = ~0u;
  if (prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0) != 0) fatal(kWhat);
}

// Lines of /proc/self/maps: begin, end, and what comes behind. However many there are: text_ holds
// a part of them at a time.
template <class Visit>
void Worker::for_each_area(Visit visit) {
  const int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (fd < 0) fatal("read /proc/self/maps");
  size_t held = 0;
  ssize_t n = 0;
  while ((n = read(fd, text_.data() + held, text_.size() - 1 - held)) > 0) {
    held += static_cast<size_t>(n);
    text_[held] = '\0';
    char* line = text_.data();
    for (char* end = nullptr; (end = std::strchr(line, '\n')) != nullptr; line = end + 1) {
      *end = '\0';
      char* at = nullptr;
      const uint64_t from = std::strtoull(line, &at, 16);
      const uint64_t to = std::strtoull(at + 1, &at, 16);
      visit(from, to, at + 1);
    }
    held -= static_cast<size_t>(line - text_.data());
    std::memmove(text_.data(), line, held);
  }
  close(fd);
}

// More pages than x86's Linux flushes one by one (33): a change of their rights flushes all. They
// lie between others with rights of their own, so that no area is split or merged for it.
constexpr size_t kForgottenBytes = 64 * kScriptPage;

void Worker::make_forgetful() {
  void* const block = mmap(nullptr, kForgottenBytes + 2 * kScriptPage, PROT_READ,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED) fatal("map memory of its own");
  forgotten_ = static_cast<char*>(block) + kScriptPage;
  if (mprotect(forgotten_, kForgottenBytes, PROT_READ | PROT_WRITE) != 0)
    fatal("have memory of its own");
  std::memset(forgotten_, 1, kForgottenBytes);
}

void Worker::forget_translations() const {
  mprotect(forgotten_, kForgottenBytes, PROT_NONE);
  mprotect(forgotten_, kForgottenBytes, PROT_READ | PROT_WRITE);
}

void Worker::furnish() {
  // Its pages become areas; here, because later there is no room above the base.
  constexpr uint64_t kPage = kScriptPage;
  void* const block = mmap(nullptr, kFurniture * kPage, PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (block == MAP_FAILED) fatal("map memory for areas of its own");
  if (plan_.anywhere != 0) fill_above_base();
  // Told apart by advice: what nobody may access no mlockall faults in.
  const auto set_apart = [&](int64_t page) {
    madvise(static_cast<char*>(block) + page * static_cast<int64_t>(kPage), kPage, MADV_RANDOM);
  };
  // A page in the middle makes two areas more, the last one makes one. The vsyscall page is none.
  int64_t missing = static_cast<int64_t>(kNativeAreas) - count_all().areas + vsyscall_lines();
  if (missing < 0) {
    errno = ENOMEM;
    fatal("make do with the areas set aside for its own (kNativeAreas)");
  }
  if (missing > 0 && missing % 2 != 0) set_apart(kFurniture - 1);
  for (int64_t page = 1; missing >= 2 && page < kFurniture - 2; page += 2, missing -= 2)
    set_apart(page);
}

// What shares page tables with the script's memory below the base.
void Worker::fill_border() {
  void* const base = reinterpret_cast<void*>(kNativeMmapBase);  // NOLINT: that is the point
  if (mmap(base, kBorder - kNativeMmapBase, PROT_NONE, kFillFlags | MAP_FIXED_NOREPLACE, -1, 0) ==
      MAP_FAILED)
    fatal("map all memory above the script's");
}

// All the script has, and the tables it needed, which an area above would keep.
int64_t Worker::unmap_script() {
  void* const base = reinterpret_cast<void*>(kBase);  // NOLINT: that is the point
  const bool bordered = plan_.anywhere != 0;
  if (munmap(base, (bordered ? kBorder : kNativeMmapBase) - kBase) < 0) return -int64_t{errno};
  if (bordered) fill_border();
  return 0;
}

// Whatever gap the kernel offers above the base is filled, until it has none.
void Worker::fill_above_base() {
  constexpr uint64_t kPage = kScriptPage;
  fill_border();
  while (true) {
    void* const offered = mmap(nullptr, kPage, PROT_NONE, kFillFlags, -1, 0);
    if (offered == MAP_FAILED) fatal("map all memory above the script's");
    const auto at = reinterpret_cast<uint64_t>(offered);  // NOLINT: that is the point
    if (at < kNativeMmapBase) {
      munmap(offered, kPage);
      return;
    }
    const uint64_t begin = std::max(kNativeMmapBase, end_of_area_below(at));
    void* const rest = reinterpret_cast<void*>(begin);  // NOLINT: that is the point
    if (begin < at &&
        mmap(rest, at - begin, PROT_NONE, kFillFlags | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED)
      fatal("map all memory above the script's");
  }
}

// Where the area before the one at `start` ends.
uint64_t Worker::end_of_area_below(uint64_t start) {
  uint64_t below = 0;
  for_each_area([&](uint64_t from, uint64_t to, const char*) {
    if (from < start) below = std::max(below, to);
  });
  return below;
}

int64_t Worker::vsyscall_lines() {
  int64_t lines = 0;
  for_each_area([&](uint64_t, uint64_t, const char* rest) {
    lines += std::strstr(rest, "[vsyscall]") != nullptr ? 1 : 0;
  });
  return lines;
}

namespace {

// Stores to a page what is there. Where a page shared with a child became writable again because
// the child had copied it meanwhile, the processor may still hold the weaker translation, which the
// kernel does not flush: the next store would be a fault, a spurious one, in some measure.
__attribute__((no_sanitize("address"))) void store_to_each_page(char* at, uint64_t bytes) {
  for (char* page = at; page < at + bytes; page += kScriptPage)
    __atomic_fetch_or(page, 0, __ATOMIC_RELAXED);
}

}  // namespace

// Everything that is not the script's: areas of the program, its libraries, heap and stack.
void Worker::fault_in_own_memory() {
  for_each_area([&](uint64_t from, uint64_t to, const char* rights) {
    const bool of_script = from >= kBase && from < kNativeMmapBase;
    // Not to be faulted in: vvar, vsyscall.
    const bool special =
        std::strstr(rights, "[vv") != nullptr || std::strstr(rights, "[vs") != nullptr;
    const bool writable = rights[1] == 'w';
    const bool huge =  // reserved, not used
        to - from > (writable || plan_.locks ? kMostOfOwn : kMostToRead);
    if (of_script || special || huge || rights[0] != 'r') return;
    void* const at = reinterpret_cast<void*>(from);  // NOLINT: that is the point
    const int advice = writable ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
    const bool done = madvise(at, to - from, advice) == 0;
    if (!done && errno == EINVAL) fatal("fault in memory (madvise MADV_POPULATE_*, of Linux 5.14)");
    if (done && advice == MADV_POPULATE_WRITE)
      store_to_each_page(static_cast<char*>(at), to - from);
  });
}

// What locking all faults in of the process's own is there already, or else not the script's.
int64_t Worker::whole(const Step& step) {
  const auto result_of = [](int64_t result) { return result < 0 ? -int64_t{errno} : 0; };
  switch (step.kind) {
    case Step::Kind::LockAll:
      return result_of(mlockall(static_cast<int>(step.flags)));
    case Step::Kind::UnlockAll:
      return result_of(munlockall());
    case Step::Kind::Thp:
      // Without --thp there are none to be had.
      if (!step.off && !options_.huge_pages) return 0;
      return result_of(prctl(PR_SET_THP_DISABLE, step.off ? 1 : 0, step.flags, 0, 0));
    case Step::Kind::AdviseOther: {
      const int64_t process = syscall(SYS_pidfd_open, children_[step.other], 0);
      if (process < 0) return -int64_t{errno};
      const iovec range{.iov_base = reinterpret_cast<void*>(step.range.begin.value()),  // NOLINT
                        .iov_len = step.range.bytes()};
      const int64_t result =
          result_of(syscall(SYS_process_madvise, process, &range, 1, step.advice, 0));
      close(static_cast<int>(process));
      return result;
    }
    default:
      return 0;
  }
}

Counted Worker::count() {
  Counted counted = count_all() - base_;
  const Faults of_script = faults() - self_.own_faults;
  counted.minor_faults = of_script.minor;
  counted.major_faults = of_script.major;
  return counted;
}

// But for the faults.
Counted Worker::count_all() {
  Counted counted;
  read_file("/proc/self/status");
  const auto kib = [&](const char* key, bool may_lack = false) {
    const char* found = std::strstr(text_.data(), key);
    if (found == nullptr && may_lack) return 0LL;
    if (found == nullptr) fatal("find RssAnon, RssFile, RssShmem and VmPTE in /proc/self/status");
    return std::strtoll(found + std::strlen(key), nullptr, 10);
  };
  counted.anonymous = kib("RssAnon:");
  counted.file = kib("RssFile:") + kib("RssShmem:");
  counted.tables = kib("VmPTE:");
  counted.pool = kib("HugetlbPages:", true);
  counted.swap = kib("VmSwap:", true);
  counted.peak = kib("VmHWM:", true);
  const int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (fd < 0) fatal("read /proc/self/maps");
  ssize_t n = 0;
  while ((n = read(fd, text_.data(), text_.size())) > 0)
    for (ssize_t i = 0; i < n; ++i)
      counted.areas += text_[static_cast<size_t>(i)] == '\n' ? 1 : 0;
  close(fd);
  return counted;
}

// What fits of it into text_, ended by a 0.
void Worker::read_file(const char* path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) fatal("read its files in /proc/self");
  size_t size = 0;
  ssize_t n = 0;
  while ((n = read(fd, text_.data() + size, text_.size() - 1 - size)) > 0)
    size += static_cast<size_t>(n);
  close(fd);
  text_[size] = '\0';
}

// VmHWM from here on; where the kernel cannot, it stays what it was.
void Worker::start_peak() {
  const int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  static_cast<void>(!write(fd, "5", 1));
  close(fd);
}

Worker::Faults Worker::faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return {usage.ru_minflt, usage.ru_majflt};
}

}  // namespace mmusim::sim::workload
