#include "arch/ppc64/options.h"

#include <fmt/format.h>

#include "arch/ppc64/formats.h"
#include "base/error.h"
#include "base/units.h"

namespace mmusim::ppc64 {

void declare(config::Schema& schema) {
  mmu::declare_levels(schema, kTlbs);
  schema.number("ppc64.slb.entries", 64,
                "Entries of the segment lookaside buffer; Linux keeps three for itself.", 8, 4096);
  schema.flag("ppc64.tera_segments", false,
              "Whether the processor has segments of 1T, which Linux then uses from 1T up.");
  schema.choice("ppc64.page", "4K", {"4K", "64K"},
                "Base page of the kernel and of its user segments. 64K needs a processor whose "
                "ERATs and TLB hold such pages (from POWER5+ on).");
  schema.flag(
      "ppc64.linear_map", true,
      "Whether the kernel's handlers and its own accesses to tables and pages, for faults and "
      "flushes, are looked up in ERATs, SLB and TLB, in its linear map of all memory (16M pages).");
  schema.flag("ppc64.coherent_icache", true,
              "Whether stores are seen by the instruction cache (from POWER5 on). If not, the "
              "kernel asks of each page it hashes whether it has been made so.");
  schema.flag("ppc64.tlbie_lock", false,
              "Whether only one CPU may broadcast a tlbie at a time (up to the 970), so that the "
              "kernel takes a lock for it.");
  schema.size(
      "ppc64.htab.bytes", 0,
      "Size of the hashed page table, which all CPUs share: a power of two from 256K up. 0: "
      "as Linux sizes it where firmware has no advice, a group of 128 bytes for every two "
      "pages of mem.bytes (rounded up to a power of two): 1/64 of memory with 4K pages, "
      "1/1024 with 64K.",
      0, uint64_t{1} << 46);
}

Options read_options(const config::Config& config) {
  Options options;
  options.page = config.choice("ppc64.page") == "64K" ? k64K : k4K;
  for (const Level level : {kIerat, kDerat, kTlb}) {
    const mmu::ArrayDecl& keys = kTlbs[level].arrays.front();
    options.tlb[level] = mmu::read_level(config, kTlbs[level], {k4K, k64K, kLargePage});
    if (options.tlb[level].empty())
      throw UsageError(fmt::format("{}.entries", keys.key),
                       fmt::format("there must be the {}", keys.what));
    // A segment has one base page size, which all that translates it must know.
    if (!options.tlb[level].front().holds(options.page))
      throw UsageError(fmt::format("{}.pages", keys.key),
                       fmt::format("the {} does not hold pages of {}, which ppc64.page says the "
                                   "kernel has",
                                   keys.what, format_size(options.page.bytes())),
                       "add them, or change ppc64.page");
  }
  options.slb_entries = static_cast<unsigned>(config.number("ppc64.slb.entries"));
  options.tera_segments = config.flag("ppc64.tera_segments");
  options.linear_map = config.flag("ppc64.linear_map");
  options.htab_bytes = config.size("ppc64.htab.bytes");
  options.coherent_icache = config.flag("ppc64.coherent_icache");
  options.tlbie_lock = config.flag("ppc64.tlbie_lock");
  constexpr uint64_t kLeast = uint64_t{1} << 18;
  if (options.htab_bytes != 0 &&
      (!is_power_of_two(options.htab_bytes) || options.htab_bytes < kLeast))
    throw UsageError("ppc64.htab.bytes",
                     fmt::format("{} is not a size a hashed page table can have: a power of two "
                                 "that is at least 256K (the architecture's 2^18)",
                                 format_size(options.htab_bytes)),
                     "take 256K, 512K, 1M and so on, or 0 for the size Linux gives it");
  return options;
}

}  // namespace mmusim::ppc64
