// What this computer's kernel does that others do not: small scripts tell.
#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>

#include "base/bits.h"
#include "base/error.h"
#include "base/units.h"
#include "sim/workload/native.h"

namespace mmusim::sim::workload {

namespace {

// Where the script goes wrong, the feature is taken not to be there.
Outcome try_out(const char* what, const std::string& script, const NativeOptions& options) {
  const Plan plan = unroll(parse(script, what));
  try {
    return run_native(plan, options);
  } catch (const UsageError&) {
    throw;
  } catch (const Error&) {
    Outcome nothing;
    nothing.measures.resize(plan.measures.size());
    nothing.failed = 1;
    return nothing;
  }
}

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

constexpr const char* kHugePages = "/sys/kernel/mm/transparent_hugepage/";

// What is chosen of those a file of sysfs offers: "always [madvise] never".
std::string chosen_in(const std::string& path) {
  const std::string all = first_line(path.c_str());
  const size_t open = all.find('[');
  const size_t close = all.find(']');
  return open == std::string::npos || close == std::string::npos
             ? "none"
             : all.substr(open + 1, close - open - 1);
}

std::string huge_page_setting() {
  return chosen_in(std::string(kHugePages) + "enabled");
}

// As kernel.thp.sizes has them (Linux 6.8 and later: hugepages-64kB/enabled, ...). What is not said
// is as without the key: the size of a leaf above the leaf tables inherits, others are not used.
std::string huge_page_sizes() {
  const uint64_t own = std::strtoull(
      first_line((std::string(kHugePages) + "hpage_pmd_size").c_str()).c_str(), nullptr, 10);
  std::string sizes;
  for (uint64_t bytes = uint64_t{8} << 10; bytes <= uint64_t{1} << 30; bytes *= 2) {
    const std::string chosen =
        chosen_in(fmt::format("{}hugepages-{}kB/enabled", kHugePages, bytes >> 10));
    if (chosen == "none" || chosen == (bytes == own ? "inherit" : "never")) continue;
    sizes += fmt::format("{}{}:{}", sizes.empty() ? "" : ",", format_size(bytes), chosen);
  }
  return sizes;
}

// Memory and swap space together, which heuristic overcommit compares with (/proc/meminfo); without
// bounds where the host does not ask. 0: it has a limit of its own.
uint64_t most_of_one_call() {
  const std::string policy = first_line("/proc/sys/vm/overcommit_memory");
  if (policy == "1") return uint64_t{1} << 63;
  if (policy != "0") return 0;
  std::ifstream file("/proc/meminfo");
  uint64_t kib = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string key;
    uint64_t value = 0;
    words >> key >> value;
    if (key == "MemTotal:" || key == "SwapTotal:") kib += value;
  }
  return kib << 10;
}

// What a miss in a file there reads at once, as the device's setting says (its own, or the one of
// the disk it is a part of); 0: there is none.
uint64_t read_ahead_of(const std::string& directory) {
  struct stat status {};
  if (stat(directory.c_str(), &status) != 0) return 0;
  const std::string device =
      fmt::format("/sys/dev/block/{}:{}/", major(status.st_dev), minor(status.st_dev));
  for (const char* of : {"queue/read_ahead_kb", "../queue/read_ahead_kb"}) {
    const std::string kib = first_line((device + of).c_str());
    if (!kib.empty()) return std::strtoull(kib.c_str(), nullptr, 10) << 10;
  }
  return 0;
}

}  // namespace

uint64_t huge_pages_free(std::istream&& meminfo) {
  uint64_t free = 0;
  uint64_t reserved = 0;
  std::string key;
  for (std::string line; std::getline(meminfo, line);) {
    std::istringstream words(line);
    uint64_t value = 0;
    words >> key >> value;
    if (key == "HugePages_Free:") free = value;
    if (key == "HugePages_Rsvd:") reserved = value;
  }
  // As the kernel subtracts them: where it has given back more reservations than there were (seen
  // on 6.18, for a moment), it prints 2^64 - 1.
  const auto left = static_cast<int64_t>(free - reserved);
  return left < 0 ? 0 : static_cast<uint64_t>(left);
}

uint64_t huge_pages_free() {
  return huge_pages_free(std::ifstream("/proc/meminfo"));
}

NativeFeatures native_features(const NativeOptions& options) {
  NativeFeatures features;
  utsname name{};
  if (uname(&name) == 0) features.kernel = std::string(name.sysname) + " " + name.release;
  features.huge_pages = huge_page_setting();
  features.thp_sizes = huge_page_sizes();
  features.uses_huge_pages = options.huge_pages;

  // What every host must be able to do comes first: if it cannot, this says so.
  const Outcome basic =
      run_native(unroll(parse("map a 6M at 0\ntouch a write\n"
                              "measure \"a table emptied\" { advise a[2M..4M] dontneed }\n"
                              "map zero 4K\nmeasure \"read\" { touch zero read }\n"
                              "map file 2M shared file f\n"
                              "measure \"fault-around\" { touch file[0..4K] read }\n",
                              "the test of this computer's kernel")),
                 options);
  features.pt_reclaim = basic.measures[0].tables < 0;
  features.zero_page = basic.measures[1].anonymous == 0;
  features.fault_around = static_cast<uint64_t>(basic.measures[2].file) << 10;

  if (options.huge_pages) {
    const Outcome zeros = try_out("the test for zeros in huge pages",
                                  "map a 2M\nadvise a hugepage\ntouch a write stride 64K\n"
                                  "measure \"split\" { advise a[256K..260K] free }\n",
                                  options);
    if (zeros.failed == 0) features.zero_split = zeros.measures[0].anonymous < 0;
  }

  // Pages that one fault of a shared write maps, at two places of two files.
  const Outcome folios = try_out("the test for large folios",
                                 "file big 4M disk\nmap b 4M shared file big\n"
                                 "measure \"at its start\" { touch b[0..4K] write }\n"
                                 "measure \"behind\" { touch b[3M..3076K] write }\n",
                                 options);
  const auto pages = static_cast<uint64_t>(folios.measures[0].file) / 4;
  if (folios.failed == 0 && pages != 0 && (pages & (pages - 1)) == 0 && pages <= 512) {
    features.folio_order = log2_floor(pages);
    features.folio_order_known = folios.measures[1].file == folios.measures[0].file;
  }

  features.readahead = read_ahead_of(options.directory);
  features.huge_pages_free = huge_pages_free();
  features.can_lock =
      try_out("the test for locked memory", "map a 16M\nlock a\n", options).failed == 0;
  features.has_guards = try_out("the test for guard pages",
                                "map a 8K\nadvise a guard-install\nmap b 8K file f\n"
                                "advise b guard-install\n",
                                options)
                            .failed == 0;
  features.can_place_break =
      try_out("the test for brk", "brk 4K\ntouch heap write\n", options).failed == 0;

  const std::string most = first_line("/proc/sys/vm/max_map_count");
  if (!most.empty()) features.max_map_count = std::strtoull(most.c_str(), nullptr, 10);
  features.max_map_count -= std::min(kNativeAreas, features.max_map_count - 1);
  features.overcommit = most_of_one_call();
  return features;
}

Imitation imitate(config::Config& config, const NativeFeatures& features, const Plan& plan) {
  Imitation imitation;
  // `read` says what the key has in the end.
  const auto take = [&](const char* key, const std::string& value, bool known, auto read) {
    std::vector<std::string>& how = config.origin(key) != "default" ? imitation.given
                                    : known                         ? imitation.found
                                                                    : imitation.assumed;
    if (&how == &imitation.found) config.set(key, value, "this computer's kernel");
    how.push_back(std::string(key) + " = " + read(key));
  };
  const auto text_of = [](bool on) { return std::string(on ? "true" : "false"); };
  const auto flag = [&](const char* key) { return text_of(config.flag(key)); };
  const auto size = [&](const char* key) { return format_size(config.size(key)); };
  const auto number = [&](const char* key) { return std::to_string(config.number(key)); };
  take("kernel.pt_reclaim", text_of(features.pt_reclaim), true, flag);
  take("kernel.zero_page", text_of(features.zero_page), true, flag);
  take("kernel.zero_split", text_of(features.zero_split), features.uses_huge_pages, flag);
  take("kernel.fault_around", format_size(features.fault_around), features.fault_around != 0, size);
  take("kernel.max_map_count", std::to_string(features.max_map_count), true, number);
  take("kernel.overcommit", format_size(features.overcommit), features.overcommit != 0, size);
  take("kernel.folio_order", std::to_string(features.folio_order), features.folio_order_known,
       number);
  const bool on_disk = std::any_of(plan.files.begin(), plan.files.end(),
                                   [](const Plan::File& file) { return file.on_disk; });
  if (on_disk)
    take("kernel.readahead", format_size(features.readahead), features.readahead != 0, size);
  // A kernel that has none at all ("none") is not one that a program can ask for them.
  const bool settable = features.huge_pages == "never" || features.huge_pages == "madvise" ||
                        features.huge_pages == "always";
  take("kernel.thp", features.uses_huge_pages && settable ? features.huge_pages : "disabled", true,
       [&](const char* key) { return config.choice(key); });
  if (features.uses_huge_pages && !features.thp_sizes.empty())
    take("kernel.thp.sizes", features.thp_sizes, true,
         [&](const char* key) { return config.text(key); });
  if (plan.huge_pages != 0)
    take("kernel.hugetlb_pages", std::to_string(features.huge_pages_free), true, number);
  return imitation;
}

}  // namespace mmusim::sim::workload
