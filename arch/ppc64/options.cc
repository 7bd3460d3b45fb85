#include "arch/ppc64/options.h"

#include <fmt/format.h>

#include "base/units.h"

namespace mmusim::ppc64 {

namespace {

// A segment has one base page size, which all that translates it must know.
std::string which_lacks_the_page(const Options& options, Level level) {
  if (options.tlb[level].front().holds(options.page)) return "";
  return fmt::format("the {} does not hold pages of {}, which ppc64.page says the kernel has",
                     kTlbs[level].shown, format_size(options.page.bytes()));
}

}  // namespace

const config::Keys<Options>& Options::keys() {
  static const config::Keys<Options> kKeys = [] {
    auto keys =
        mmu::level_keys(kTlbs, &Options::tlb, {k4K, k64K, kLargePage}, std::nullopt)
            .number("ppc64.slb.entries", &Options::slb_entries,
                    "Entries of the segment lookaside buffer; Linux keeps three for itself.", 8,
                    4096)
            .flag("ppc64.tera_segments", &Options::tera_segments,
                  "Whether the processor has segments of 1T, which Linux then uses from 1T up.")
            .choice("ppc64.page", &Options::page, {{"4K", k4K}, {"64K", k64K}},
                    "Base page of the kernel and of its user segments. 64K needs a processor whose "
                    "ERATs and TLB hold such pages (from POWER5+ on).")
            .flag(
                "ppc64.mpss", &Options::mpss,
                "Whether a segment may have pages larger than its base page (multiple page sizes "
                "per segment; from POWER7 on): superpages of 64K and 16M in segments of 4K, of "
                "16M in segments of 64K, as far as the TLB holds them. A kernel of 64K pages then "
                "has huge pages of 16M.")
            .flag(
                "ppc64.linear_map", &Options::linear_map,
                "Whether the kernel's handlers and its own accesses to tables and pages, for "
                "faults and flushes, are looked up in ERATs, SLB and TLB, in its linear map of all "
                "memory (16M pages).")
            .flag("ppc64.coherent_icache", &Options::coherent_icache,
                  "Whether stores are seen by the instruction cache (from POWER5 on). If not, the "
                  "kernel asks of each page it hashes whether it has been made so.")
            .flag(
                "ppc64.tlbie_lock", &Options::tlbie_lock,
                "Whether only one CPU may broadcast a tlbie at a time (up to the 970), so that the "
                "kernel takes a lock for it.")
            .size(
                "ppc64.htab.bytes", &Options::htab_bytes,
                "Size of the hashed page table, which all CPUs share: a power of two from 256K up. "
                "0: as Linux sizes it where firmware has no advice, a group of 128 bytes for every "
                "two pages of mem.bytes (rounded up to a power of two): 1/64 of memory with 4K "
                "pages, 1/1024 with 64K.",
                0, uint64_t{1} << 46)
            .rule(
                "ppc64.htab.bytes",
                [](const Options& options) {
                  constexpr uint64_t kLeast = uint64_t{1} << 18;
                  const uint64_t bytes = options.htab_bytes;
                  if (bytes == 0 || (is_power_of_two(bytes) && bytes >= kLeast))
                    return std::string();
                  return fmt::format(
                      "{} is not a size a hashed page table can have: a power of two "
                      "that is at least 256K (the architecture's 2^18)",
                      format_size(bytes));
                },
                "take 256K, 512K, 1M and so on, or 0 for the size Linux gives it");
    for (const Level level : {kIerat, kDerat, kTlb})
      keys.rule(
          fmt::format("{}.pages", kTlbs[level].arrays.front().key),
          [level](const Options& options) { return which_lacks_the_page(options, level); },
          "add them, or change ppc64.page");
    return keys;
  }();
  return kKeys;
}

std::vector<PageShift> actual_pages(const Options& options) {
  std::vector<PageShift> sizes = {options.page};
  if (!options.mpss) return sizes;
  for (const PageEncoding& one : kPageEncodings)
    if (one.base == options.page && one.actual != one.base &&
        options.tlb[kTlb].front().holds(one.actual))
      sizes.push_back(one.actual);
  return sizes;
}

}  // namespace mmusim::ppc64
