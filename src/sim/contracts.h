// What an architecture must offer, as the compiler checks it: whoever leaves something out reads
// which requirement that is, and not where a template deep in the replay loop fails.
//
//   HitPath              the first-level look-ups, for a loop to keep in registers
//   StampedHits          ... and, for what is asked again and again, in two steps
//   ReplayedCpu          what the replay loop asks of the MMU of one CPU
//   ExpectingCpu         ... and what it may, for the host's sake
//   ReplayedTlbs         ... and of those of all CPUs
//   PricedTlbs           ... and what explain does
//   PagedTlbs            ... and, besides, for a trace's page streams
//   SimulatedArchitecture  one struct with all of it, which machines are made of
//
// arch/README.md says how to write one; arch/alpha is the smallest.
#ifndef MMUSIM_SIM_CONTRACTS_H_
#define MMUSIM_SIM_CONTRACTS_H_

#include <concepts>
#include <cstdint>
#include <type_traits>

#include "base/types.h"
#include "config/schema.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mmu/layout.h"
#include "mmu/miss_path.h"
#include "mmu/mmu.h"
#include "mmu/summary.h"
#include "pt/entry.h"
#include "pt/page_table.h"

namespace mmusim::sim {

// True: the access hit the first level, and all that it does is done. The loop keeps the clock:
// each `time` is above that of every earlier use, but for a repeated use of the page just used.
template <class Hits>
concept HitPath = std::copyable<Hits> &&
    requires(const Hits& hits, VirtAddr va, bool write, uint64_t time) {
  { hits.fetch(va, time) } -> std::same_as<bool>;
  { hits.data(va, write, time) } -> std::same_as<bool>;
  { hits.one(write, write, va, time) } -> std::same_as<bool>;  // either: of data, a store
};

// Where a hit does nothing but note the time of its use, and accesses that come again and again are
// questions that are made once; equal Hits have the same ones.
template <class Hits>
concept StampedHits = HitPath<Hits> && std::equality_comparable<Hits> &&
    requires(const Hits& hits, VirtAddr va, bool which, const typename Hits::Question& question) {
  requires std::default_initializable<typename Hits::Question>;  // the answer is no
  { hits.question(which, which, va) } -> std::same_as<typename Hits::Question>;
  { question.would_hit() } -> std::same_as<bool>;   // nothing is done
  { question.stamp() } -> std::same_as<uint64_t*>;  // where the time is to be noted then
};

template <class Cpu>
concept ReplayedCpu = requires(Cpu& cpu, VirtAddr va, AccessKind kind, bool retry, uint64_t n) {
  // Valid until translations change (generation()).
  { cpu.hits() } -> HitPath;
  { cpu.time() } -> std::same_as<uint64_t>;
  cpu.set_time(n);  // before anything else is called, after hits() have been used
  // As hits(), by the Cpu's own clock.
  { cpu.fetch_hits(va) } -> std::same_as<bool>;
  { cpu.load_hits(va) } -> std::same_as<bool>;
  { cpu.store_hits(va) } -> std::same_as<bool>;
  // The whole access, miss path and all. `retry`: repeated after a fault, so counted apart.
  { cpu.access(va, kind, retry) } -> std::same_as<mmu::Translation>;
  cpu.count(kind, n);  // so many accesses, of which access() sees only those that miss
  // Whether no first level serves fetches and data.
  { cpu.has_first_level_each() } -> std::same_as<bool>;
  // Look-ups of the kind's side that its last level did not answer, so far.
  { cpu.last_misses(kind) } -> std::same_as<uint64_t>;
  // Changes whenever a translation may have been taken away other than by eviction.
  { cpu.generation() } -> std::same_as<uint64_t>;
};

// Whose miss path reads what the host would not have at hand (hash tables): told that data there
// will be accessed soon, and is not known to hit, it may ask the host for it. Changes nothing
// simulated. Where tables are trees it gained nothing (measured up to 4 MiB of leaf tables).
template <class Cpu>
concept ExpectingCpu = requires(Cpu& cpu, VirtAddr va) {
  cpu.expect(va);
  { cpu.hits().knows_data(va) } -> std::same_as<bool>;  // whether a load would hit: nothing is done
};

template <class Tlbs>
concept ReplayedTlbs = requires(Tlbs& tlbs, CpuId cpu) {
  // Whether each miss of a CPU's last level is to be told, when the access has succeeded.
  { tlbs.watches_reach() } -> std::same_as<bool>;
  tlbs.note_miss(cpu);
  requires ReplayedCpu<std::remove_reference_t<decltype(tlbs.mmu(cpu))>>;
};

// What `explain` asks besides: what all architectures count, for what translation has cost so far.
template <class Tlbs>
concept PricedTlbs = requires(const Tlbs& tlbs) {
  { tlbs.summary() } -> std::same_as<mmu::Summary>;
};

// What replays from page streams ask besides; see mmu/cpu.h.
template <class Tlbs>
concept PagedTlbs = ReplayedTlbs<Tlbs> && requires(Tlbs& tlbs, CpuId cpu, VirtAddr va, bool which,
                                                   PageShift page, uint64_t sets, uint64_t time) {
  { tlbs.mmu(cpu).tells_apart(page, sets) } -> std::same_as<bool>;
  { tlbs.mmu(cpu).used_at(va, which, which, time) } -> std::same_as<bool>;
  { tlbs.mmu(cpu).settled(va, which, which) } -> std::same_as<bool>;
  { tlbs.mmu(cpu).time_of(which) } -> std::same_as<uint64_t>;
};

template <class Arch>
concept SimulatedArchitecture = ReplayedTlbs<typename Arch::Tlbs> &&
    std::derived_from<typename Arch::Tlbs, mmu::TlbMaintenance> &&
    std::derived_from<typename Arch::Format, pt::EntryFormat> &&
    // Options, CPUs, memory, the sink of references; whether hardware can read the page tables.
    std::constructible_from<typename Arch::Tlbs, const typename Arch::Options&, unsigned,
                            mem::FrameMemory&, mem::ReferenceSink&, bool> &&
    requires(config::Schema& schema, const config::Config& config,
             const typename Arch::Options& options, typename Arch::Tlbs& tlbs, CpuId cpu,
             mmu::Narrator* narrator) {
  tlbs.mmu(cpu).narrate(narrator);  // everything access() does is told; null: no longer
  { Arch::kName } -> std::convertible_to<const char*>;  // the value of machine.arch
  { Arch::kSummary } -> std::convertible_to<const char*>;
  Arch::declare(schema);
  // Errors: UsageError for options no such processor can have.
  { Arch::read_options(config) } -> std::same_as<typename Arch::Options>;
  { Arch::format(options) } -> std::same_as<typename Arch::Format>;
  // Of the radix table its hardware or kernel is used to.
  { Arch::geometry(options) } -> std::same_as<pt::RadixGeometry>;
  // Of a user address space; layout.page is the base page.
  { Arch::layout(options) } -> std::same_as<mmu::AddressLayout>;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_CONTRACTS_H_
