// The keys pt.gpt.*, and guarded page tables made of them.
#include <algorithm>
#include <fmt/format.h>
#include <string>

#include "base/error.h"
#include "base/units.h"
#include "config/keys.h"
#include "pt/gpt/gpt.h"

namespace mmusim::pt::gpt {
namespace {

class GptFactory final : public Factory {
 public:
  GptFactory(const Environment& environment, const Rules& rules)
      : environment_(environment), rules_(rules) {}

  std::unique_ptr<PageTable> create(MmId mm) override {
    const auto root = environment_.allocator->allocate(kEntryBytes, mm);
    if (!root) return nullptr;
    return std::make_unique<Gpt>(environment_, rules_, commons_, mm, *root);
  }
  const RadixGeometry* hardware_walkable() const override { return nullptr; }
  bool can_map(VirtAddr va) const override { return rules_.have(va); }
  uint64_t common_bytes() const override { return commons_.bytes; }
  std::optional<Restructuring> restructuring() const override { return commons_.restructuring; }

 private:
  Environment environment_;
  Rules rules_;
  Commons commons_;
};

const config::Keys<Policy>& policy_keys() {
  static const config::Keys<Policy> kKeys =
      config::Keys<Policy>()
          .number("pt.gpt.widest", &Policy::widest,
                  "log2 of the most slots a table of the guarded page table may have. 8: a 4 KiB "
                  "page; 12: 64 KiB, one level fewer for large dense spaces.",
                  1, kMostWidth)
          .number("pt.gpt.inflate", &Policy::inflate,
                  "A table is doubled, swallowing tables below it, while at least this many per "
                  "cent of its slots would then be used.",
                  1, 100)
          .number("pt.gpt.halve", &Policy::halve,
                  "A table is halved while fewer than this many per cent of its slots are used; "
                  "less than pt.gpt.inflate.",
                  0, 99)
          .rule("pt.gpt.halve",
                [](const Policy& policy) {
                  if (policy.halve < policy.inflate) return std::string();
                  return fmt::format(
                      "{} per cent is not less than pt.gpt.inflate = {}: a table "
                      "would be doubled and halved again for ever",
                      policy.halve, policy.inflate);
                })
          .number("pt.gpt.order", &Policy::order,
                  "0: the widths of tables follow what they hold. Otherwise no level compression: "
                  "every table has 2^order slots, as in the guarded page table of 2007 (8 for 4 "
                  "KiB pages); 1: a binary PATRICIA trie.",
                  0, kMostWidth)
          .flag(
              "pt.gpt.lines", &Policy::lines,
              "Up to four entries share one cache line where a table would be mostly empty; false: "
              "tables of two slots part them, and there are no arrays. Not with pt.gpt.order.")
          .number(
              "pt.gpt.array", &Policy::array,
              "log2 of the most pages an array has: base pages side by side, 8 bytes each. Where "
              "superpages come, what the smallest covers; 0: every page has an entry of its "
              "own.",
              0, kMostArray)
          .number(
              "pt.gpt.dense", &Policy::dense,
              "An array is made as large as leaves at least this many per cent of its slots used: "
              "room for pages to come.",
              1, 100)
          .number("pt.gpt.join", &Policy::join,
                  "Pages and arrays with entries of their own become one array where at least this "
                  "many per cent of its slots will be used; less: fewer levels, more memory.",
                  1, 100)
          .number(
              "pt.gpt.grain", &Policy::grain,
              "log2 of the pages of an array that is made whole at the first touch of its "
              "block, where the mapping has all of it; at most pt.gpt.array. 0: arrays are made "
              "of pages that are there.",
              0, kMostWidth)
          .number("pt.gpt.top", &Policy::top,
                  "log2 of the most slots of the top: copies of the uppermost entries, indexed by "
                  "those bits of the address that part them best, where miss handlers' walks "
                  "begin. 2 to 8; 0: none, they begin at the root. Not without pt.gpt.lines.",
                  0, kMostTop)
          .choice("pt.gpt.restructure", &Policy::restructure,
                  {{"at_once", Restructure::AtOnce},
                   {"deferred", Restructure::Deferred},
                   {"by_misses", Restructure::ByMisses}},
                  "When tables get the width that suits what they hold, and arrays take in what is "
                  "beside them: as that changes; when 64 places are due; or when the table was "
                  "walked 64 times for each that is, if that is before.")
          .choice("pt.gpt.collapse", &Policy::eager, {{"trim", false}, {"eager", true}},
                  "When cleared slots go, and tables with them: trim, when the kernel trims after "
                  "munmap; eager, as soon as they are cleared.");
  return kKeys;
}

std::unique_ptr<Factory> make(const config::Config& config, const Environment& environment) {
  Rules rules;
  Policy& policy = rules.policy;
  policy = policy_keys().read(config);
  if (environment.page.log2() < kKeyBits - kMostPrefix)
    throw UsageError("",
                     fmt::format("a guarded page table has prefixes of at most {} bits: pages of "
                                 "{} bytes are too small for it",
                                 kMostPrefix, environment.page.bytes()));
  const uint64_t memory = environment.allocator->frames().total_frames() << environment.page.log2();
  if (memory > uint64_t{1} << GuardedEntry::kAddressBits)
    throw UsageError(
        "mem.bytes",
        fmt::format("{} of memory, but a guarded page table's entries hold addresses "
                    "of tables below {}",
                    format_size(memory), format_size(uint64_t{1} << GuardedEntry::kAddressBits)),
        "give the machine less");
  policy.key_end = kKeyBits - environment.page.log2();
  const RadixLevel& top = environment.geometry.back();
  rules.address_bits =
      top.region_bits != 0 ? kKeyBits : std::min(top.shift + top.index_bits, kKeyBits);
  rules.handler = &handler_counts(environment.architecture);
  rules.largest = environment.page;
  policy.leaf_array = policy.array;
  for (const PageShift size : environment.leaf_sizes) {
    policy.leaf_array = std::min(policy.leaf_array, size.log2() - environment.page.log2());
    rules.largest = std::max(rules.largest, size);
  }
  return std::make_unique<GptFactory>(environment, rules);
}

}  // namespace

Backend backend() {
  return {.name = "gpt",
          .summary = "guarded page table: a trie with path and level compression",
          .declare = [](config::Schema& schema) { policy_keys().declare(schema); },
          .make = make};
}

}  // namespace mmusim::pt::gpt
