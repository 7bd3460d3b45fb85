// The replay loop: takes a trace's batches through the MMU of the CPU its thread is on, and the
// kernel.
//
// Instantiated per architecture on its concrete Mmu, so that a TLB hit costs an inlined compare and
// no call. Two ways through a block, with the same counts (tests/differential holds them together):
//  - fast: one fetch look-up per block, since a block lies in one 4 KiB page and a repeated fetch
//    from the page just fetched from changes nothing; then one look-up per data access;
//  - exact: one look-up per instruction and per data access, in program order. Taken for blocks
//    whose last instruction straddles pages, for the rest of a block in whose middle something was
//    invalidated, and for everything when translations are checked or caches simulated.
//
// A third, by what can matter to a first-level TLB only, is page_loop.h.
//
// What it asks of the TLBs is in contracts.h.
#ifndef MMUSIM_SIM_REPLAY_LOOP_H_
#define MMUSIM_SIM_REPLAY_LOOP_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "kernel/kernel.h"
#include "mem/sink.h"
#include "mmu/mmu.h"
#include "sim/checker.h"
#include "sim/contracts.h"
#include "sim/pages_in_front.h"
#include "sim/replay_result.h"
#include "stats/report.h"
#include "trace/numbered_refs.h"
#include "trace/record.h"

namespace mmusim::sim {

struct LoopCounters {
  uint64_t fetches = 0;        // look-ups for instruction fetches, straddling ones twice
  uint64_t data_accesses = 0;  // look-ups for loads, stores and modifies, straddling ones twice
  uint64_t straddles = 0;      // accesses and instructions that touched two pages
  uint64_t refused = 0;        // accesses skipped because the kernel refused their fault
  uint64_t retries = 0;        // look-ups repeated after a fault was fixed
  std::vector<uint64_t> instructions;  // by CPU, up to the highest that ran any

  void report(stats::Report& report) const;
};

// An access as an AccessWatcher is told of it.
struct WatchedAccess {
  CpuId cpu;
  trace::ThreadId thread;
  VirtAddr va;
  AccessKind kind = AccessKind::Load;
  // The instruction that makes it: of a block; null: an access of no trace, or of a page stream.
  const trace::StaticBlock* block = nullptr;
  unsigned instruction = 0;

  // Where that begins. REQUIRES: there is a block.
  [[nodiscard]] VirtAddr pc() const;
};

// Sees the accesses that are more than a plain hit of the first level, before and after.
class AccessWatcher {
 public:
  virtual ~AccessWatcher() = default;
  virtual void before(const WatchedAccess& access) = 0;
  // A fault on the way, and what the kernel makes of it.
  virtual void fault(mmu::FaultReason reason, kernel::FaultOutcome outcome) = 0;
  virtual void after(const mmu::Translation& translation) = 0;
};

template <ReplayedTlbs Tlbs>
class ReplayLoop {
 public:
  using Cpu = std::remove_reference_t<decltype(std::declval<Tlbs&>().mmu(CpuId(0)))>;

  // `checker` may be null. All must outlive the loop.
  ReplayLoop(Tlbs& tlbs, kernel::Kernel& kernel, mem::ReferenceSink& sink, Checker* checker,
             PageShift page)
      : tlbs_(tlbs),
        kernel_(kernel),
        sink_(sink),
        checker_(checker),
        page_(page),
        keeps_time_(kernel.keeps_time()),
        watches_reach_(tlbs.watches_reach()),
        counts_misses_(watches_reach_ || kernel.counts_misses()) {
    choose_way();
  }

  template <ReplayMode kMode>
  void run(const trace::Batch& batch) {
    run_by(batch, [&] {
      if constexpr (kMode == ReplayMode::Fast) {
        fast_blocks(batch, 0, batch.addresses);
      } else {
        const uint64_t* addresses = batch.addresses;
        for (const uint32_t number : batch.blocks) {
          exact_block<kMode>(batch.table[number], addresses, 0, 0);
          addresses += batch.table[number].mem_ops;
        }
      }
    });
  }

  // The thread goes on, on the CPU returned.
  CpuId take_turn(trace::ThreadId thread) {
    thread_ = thread;
    id_ = kernel_.turn(thread);
    cpu_ = &tlbs_.mmu(id_);
    return id_;
  }

  // One access by whose turn it is, outside any trace: a workload script's.
  template <ReplayMode kMode>
  void access(VirtAddr va, AccessKind kind, unsigned bytes) {
    ++(kind == AccessKind::Fetch ? counters_.fetches : counters_.data_accesses);
    cpu_->count(kind, 1);
    block_ = nullptr;
    reference<kMode>(va, kind, bytes);
    if (writes(kind) && kernel_.tracks_stores()) kernel_.note_store(id_, va);
    if (keeps_time_) kernel_.ran(id_, 1);
  }

  // A survey begins, behind the batches to come with so many instructions, or there is none from
  // here on: whether a page stream would do is seen in what accesses that are more than a plain hit
  // do beside. They are the same ones, and do the same, whatever way a batch is taken through, page
  // streams apart, which cannot be surveyed. It takes time, and ends where one would not.
  void survey(std::optional<uint64_t> behind) requires PagedTlbs<Tlbs> {
    surveys_ = false;
    choose_way();
    survey_begins_ = behind ? counters_.fetches + *behind : kNever;
    needs_all_ = false;
    in_front_.forget();
  }
  // Whether a page stream for any first level would not have done.
  [[nodiscard]] bool needs_all() const { return needs_all_; }

  [[nodiscard]] const LoopCounters& counters() const { return counters_; }
  // Null, as at first: nobody. Must outlive its use. It may end the replay by throwing.
  void watch(AccessWatcher* watcher) {
    watcher_ = watcher;
    choose_way();
  }

 protected:
  // A batch: its event, or its turn and counts, and its blocks by `blocks()`.
  template <class Blocks>
  void run_by(const trace::Batch& batch, Blocks blocks) {
    if (batch.event != nullptr && std::holds_alternative<trace::SwitchEvent>(*batch.event)) {
      kernel_.apply(id_, batch.thread, *batch.event);  // says where its turn will be
      return;
    }
    take_turn(batch.thread);
    if (batch.event != nullptr) {
      kernel_.apply(id_, batch.thread, *batch.event);
      if (checker_ != nullptr) checker_->check_after_event();
      return;
    }
    count(batch.totals);
    enter_addresses(batch);
    blocks();
    if (may_survey()) [[unlikely]]
      leave_surveyed(batch, [&] { in_front_.leave(addresses_end_); });
    if (kernel_.tracks_stores()) [[unlikely]]
      note_stores(batch);
    if (keeps_time_) [[unlikely]]
      kernel_.ran(id_, batch.totals.instructions);
  }
  // Whether a survey is under way, or to come.
  [[nodiscard]] bool may_survey() const { return surveys_ || survey_begins_ != kNever; }
  // All of a batch of blocks has been gone through, as `leave()` tells.
  template <class Leave>
  void leave_surveyed(const trace::Batch& batch, Leave leave) {
    leave();
    if (!batch.goes_on) in_front_.forget();
  }

  void count(const trace::Totals& totals) {
    counters_.fetches += totals.instructions;
    counters_.data_accesses += totals.data_accesses();
    if (counters_.fetches > survey_begins_) [[unlikely]] {
      surveys_ = true;
      survey_begins_ = kNever;
      choose_way();
    }
    cpu_->count(AccessKind::Fetch, totals.instructions);
    if (id_.value() >= counters_.instructions.size())
      counters_.instructions.resize(id_.value() + 1);
    counters_.instructions[id_.value()] += totals.instructions;
    cpu_->count(AccessKind::Load, totals.loads);
    cpu_->count(AccessKind::Store, totals.stores);
    cpu_->count(AccessKind::Modify, totals.modifies);
  }

  // Which pages the batch stored to, each told once or little more often.
  void note_stores(const trace::Batch& batch) {
    std::array<uint64_t, 256> told{};  // page numbers, at the place their low bits choose
    const auto tell = [&](uint64_t va) {
      const uint64_t page = va >> page_.log2();
      uint64_t& last = told[page % told.size()];
      if (last == page) return;
      last = page;
      kernel_.note_store(id_, VirtAddr(va));
    };
    const uint64_t* addresses = batch.addresses;
    for (const uint32_t number : batch.blocks) {
      const trace::StaticBlock& block = batch.table[number];
      for (unsigned i = 0; i < block.mem_ops; ++i) {
        if (!writes(block.ops[i].kind)) continue;
        tell(addresses[i]);
        tell(addresses[i] + block.ops[i].bytes - 1);
      }
      addresses += block.mem_ops;
    }
  }

  // What the loop asks the TLBs and the clock it asks with are locals, so that they stay in
  // registers; whatever leaves the loop goes through slow_*, which hand the clock over to the Mmu,
  // from which it is taken back behind them. What they do may change the address space's number
  // (Alpha, for a flush of a range within a fault), and with it what is asked.
  // From block `first` of the batch on.
  void fast_blocks(const trace::Batch& batch, size_t first, const uint64_t* addresses) {
    typename Cpu::Hits hits = cpu_->hits();
    uint64_t time = cpu_->time();
    const PageShift page = page_;
    for (const uint32_t number : batch.blocks.subspan(first)) {
      const trace::StaticBlock& block = batch.table[number];
      fast_block(hits, block, addresses, page, time);
      addresses += block.mem_ops;
    }
    cpu_->set_time(time);
  }

  [[gnu::always_inline]] void fast_block(typename Cpu::Hits& hits, const trace::StaticBlock& block,
                                         const uint64_t* addresses, PageShift page,
                                         uint64_t& time) {
    if (!hits.fetch(block.start, ++time) || block.crosses_page) [[unlikely]] {
      const bool done = slow_fetch(block, addresses, time);
      hits = cpu_->hits();
      time = cpu_->time();
      if (done) return;
    }
    const trace::MemOp* const ops = block.ops;
    const unsigned count = block.mem_ops;
    for (unsigned i = 0; i < count; ++i) {
      const VirtAddr va(addresses[i]);
      const trace::MemOp op = ops[i];
      const bool hit = hits.data(va, op.kind != AccessKind::Load, ++time);
      if (hit && !op.crosses(va, page)) [[likely]]
        continue;
      const bool done = slow_data(block, addresses, i, time);
      hits = cpu_->hits();
      time = cpu_->time();
      if (done) break;
    }
  }

  // The block's first fetch was not a plain hit, or the block straddles pages. True: the whole
  // block has been done.
  [[gnu::noinline]] bool slow_fetch(const trace::StaticBlock& block, const uint64_t* addresses,
                                    uint64_t time) {
    cpu_->set_time(time);
    bool done = true;
    if (block.crosses_page) {
      exact_block<ReplayMode::Fast>(block, addresses, 0, 0);
    } else {
      goes_to(block, 0, addresses);
      miss<ReplayMode::Fast>(block.start, AccessKind::Fetch, 1);
      // Refused: so may be each fetch that follows.
      done = !cpu_->fetch_hits(block.start);
      if (done) exact_block<ReplayMode::Fast>(block, addresses, 1, 0);
    }
    return done;
  }

  // Data access `i` of the block was not a plain hit. True: the rest of the block has been done.
  [[gnu::noinline]] bool slow_data(const trace::StaticBlock& block, const uint64_t* addresses,
                                   unsigned i, uint64_t time) {
    cpu_->set_time(time);
    if constexpr (ExpectingCpu<Cpu>) expect_misses(addresses + i);
    const uint64_t generation = cpu_->generation();
    const trace::MemOp& op = block.ops[i];
    const VirtAddr va(addresses[i]);
    goes_to(block, op.instruction, addresses + i);
    if (op.crosses(va, page_))
      data_access<ReplayMode::Fast>(op, va);
    else
      miss<ReplayMode::Fast>(va, op.kind, op.bytes);
    const bool done = cpu_->generation() != generation;
    if (done) exact_block<ReplayMode::Fast>(block, addresses, op.instruction + 1u, i + 1);
    return done;
  }

  // Blocks of the batch are to be done.
  void enter_addresses(const trace::Batch& batch) {
    expected_ = batch.addresses;
    addresses_end_ = batch.addresses + batch.totals.data_accesses();
    if (may_survey()) [[unlikely]]
      in_front_.enter(batch);
  }

  // Where one access missed the next ones may: while this one's miss is simulated, the host can
  // fetch what theirs will read. Each is looked at once; accesses to one page often come together.
  void expect_misses(const uint64_t* at) requires ExpectingCpu<Cpu> {
    const typename Cpu::Hits hits = cpu_->hits();
    const uint64_t* const end = at + std::min<ptrdiff_t>(kExpected + 1, addresses_end_ - at);
    const uint64_t in_page = page_.offset_mask();
    for (at = std::max(at + 1, expected_); at < end; ++at)
      if ((at[-1] ^ *at) > in_page && !hits.knows_data(VirtAddr(*at))) cpu_->expect(VirtAddr(*at));
    expected_ = at;
  }

  // From instruction `first_instruction` and data access `next_op` on; data accesses of earlier
  // instructions come first, without a fetch.
  template <ReplayMode kMode>
  void exact_block(const trace::StaticBlock& block, const uint64_t* addresses,
                   unsigned first_instruction, unsigned next_op) {
    while (next_op < block.mem_ops && block.ops[next_op].instruction < first_instruction) {
      goes_to(block, block.ops[next_op].instruction, addresses + next_op);
      data_access<kMode>(block.ops[next_op], VirtAddr(addresses[next_op]));
      ++next_op;
    }
    VirtAddr pc = block.start;
    for (unsigned i = 0; i < first_instruction && i < block.instructions; ++i)
      pc += block.lengths[i];
    for (unsigned i = first_instruction; i < block.instructions; ++i) {
      goes_to(block, i, addresses + next_op);
      reference<kMode>(pc, AccessKind::Fetch, block.lengths[i]);
      for (; next_op < block.mem_ops && block.ops[next_op].instruction == i; ++next_op) {
        data_access<kMode>(block.ops[next_op], VirtAddr(addresses[next_op]));
      }
      pc += block.lengths[i];
    }
  }

  // That instruction makes the accesses that follow, of which the next one of data is at `access`:
  // for who watches, and a survey.
  void goes_to(const trace::StaticBlock& block, unsigned instruction, const uint64_t* access) {
    block_ = &block;
    instruction_ = instruction;
    access_ = access;
  }

  template <ReplayMode kMode>
  void data_access(const trace::MemOp& op, VirtAddr va) {
    reference<kMode>(va, op.kind, op.bytes);
  }

  // One access, in one look-up per page it touches.
  template <ReplayMode kMode>
  void reference(VirtAddr va, AccessKind kind, unsigned bytes) {
    const uint64_t in_page = page_.bytes() - (va.value() & page_.offset_mask());
    if (bytes <= in_page) [[likely]] {
      piece<kMode>(va, kind, bytes);
      return;
    }
    ++counters_.straddles;
    ++(kind == AccessKind::Fetch ? counters_.fetches : counters_.data_accesses);
    cpu_->count(kind, 1);
    piece<kMode>(va, kind, static_cast<unsigned>(in_page));
    piece<kMode>(va + in_page, kind, static_cast<unsigned>(bytes - in_page));
  }

  template <ReplayMode kMode>
  void piece(VirtAddr va, AccessKind kind, unsigned bytes) {
    if constexpr (kMode == ReplayMode::Fast) {
      if (hits(va, kind)) return;
    }
    miss<kMode>(va, kind, bytes);
  }

  [[nodiscard]] bool hits(VirtAddr va, AccessKind kind) {
    if (kind == AccessKind::Fetch) return cpu_->fetch_hits(va);
    return kind == AccessKind::Load ? cpu_->load_hits(va) : cpu_->store_hits(va);
  }

  // What is more than a plain hit.
  template <ReplayMode kMode>
  [[gnu::always_inline]] void miss(VirtAddr va, AccessKind kind, unsigned bytes) {
    if (alone_) [[likely]]
      whole_path<kMode, false>(va, kind, bytes);
    else
      attended_miss<kMode>(va, kind, bytes);
  }
  template <ReplayMode kMode>
  [[gnu::noinline]] void attended_miss(VirtAddr va, AccessKind kind, unsigned bytes) {
    if constexpr (PagedTlbs<Tlbs>) {
      if (surveys_) {
        surveyed_miss<kMode>(va, kind, bytes);
        return;
      }
    }
    whole_path<kMode, true>(va, kind, bytes);
  }
  // Whether nobody wants to know of what is more than a plain hit.
  void choose_way() { alone_ = watcher_ == nullptr && !counts_misses_ && !surveys_; }

  // Its own page has to be the one its side used last, and that the other side referenced last to
  // be as it was: then all that a page stream for any first level takes to be known still is.
  template <ReplayMode kMode>
  [[gnu::noinline]] void surveyed_miss(VirtAddr va, AccessKind kind, unsigned bytes) {
    const bool data = kind != AccessKind::Fetch;
    const uint64_t generation = cpu_->generation();
    const uint64_t other = cpu_->time_of(!data);
    whole_path<kMode, true>(va, kind, bytes);
    const VirtAddr page = align_down(va, trace::kBlockPage);
    const bool own = cpu_->used_at(page, data, writes(kind), cpu_->time_of(data)) ||
                     cpu_->settled(page, data, writes(kind));
    const bool untouched = cpu_->time_of(!data) == other && cpu_->generation() == generation;
    if (own && (untouched || last_page_settled(!data))) return;
    needs_all_ = true;
    surveys_ = false;
    choose_way();
  }
  // Of the page a side referenced last in front of an access of the other's. It is not to be had
  // from times of use: what a page stream leaves out may have been noted or not.
  [[nodiscard]] bool last_page_settled(bool data) {
    const PagesInFront::Page page =
        block_ == nullptr ? in_front_.last(kept_in_front_, kept_in_front_.size(), data)
        : data            ? in_front_.accessed(access_)
                          : PagesInFront::fetched(*block_, instruction_);
    return !page || cpu_->settled(*page, data, false);
  }

  // All of the way, with faults. kAttended: somebody may want to know.
  template <ReplayMode kMode, bool kAttended>
  [[gnu::always_inline]] void whole_path(VirtAddr va, AccessKind kind,
                                         [[maybe_unused]] unsigned bytes) {
    if (kAttended && watcher_ != nullptr) [[unlikely]]
      watcher_->before({.cpu = id_,
                        .thread = thread_,
                        .va = va,
                        .kind = kind,
                        .block = block_,
                        .instruction = instruction_});
    const uint64_t misses = kAttended && counts_misses_ ? cpu_->last_misses(kind) : 0;
    mmu::Translation t = cpu_->access(va, kind, /*retry=*/false);
    if (!t.ok()) [[unlikely]]
      t = after_fault(va, kind, t);
    if (kAttended && watcher_ != nullptr) [[unlikely]]
      watcher_->after(t);
    if (!t.ok()) [[unlikely]]
      return;
    if (t.size > page_) [[unlikely]]
      mixed_sizes_ = true;
    if constexpr (kMode == ReplayMode::Full) {
      if (checker_ != nullptr) checker_->check_translation(id_, va, kind, t);
      if (sink_.has_caches()) touch_caches(va, kind, bytes, t);
    }
    if (kAttended && counts_misses_) [[unlikely]]
      if (cpu_->last_misses(kind) != misses) missed(va);
  }

  // An access at `va` did so in the last level, and has succeeded since.
  void missed(VirtAddr va) {
    if (watches_reach_) tlbs_.note_miss(id_);
    if (kernel_.counts_misses()) kernel_.missed(id_, va);
  }

  // Lets the kernel fix the fault and tries again; gives up when it refuses. A fault may uncover
  // another (a page made present by one, made writable by the next), but not without end.
  [[gnu::noinline]] mmu::Translation after_fault(VirtAddr va, AccessKind kind, mmu::Translation t) {
    for (unsigned attempt = 0; !t.ok(); ++attempt) {
      if (attempt == kMaxFaults) {
        // What is taken back each time is less than a copy of the page table needs.
        if (t.fault == mmu::FaultReason::NoMemory) out_of_memory(va, kind);
        throw Error("",
                    fmt::format("a {} at {:#x} faults again and again ({})", name_of(kind),
                                va.value(), mmu::name_of(t.fault)),
                    "this is a defect of the simulator");
      }
      if (checker_ != nullptr) checker_->accessed();
      const kernel::FaultOutcome outcome = kernel_.fault(id_, va, kind, t.fault);
      if (watcher_ != nullptr) watcher_->fault(t.fault, outcome);
      if (outcome == kernel::FaultOutcome::NoMemory) out_of_memory(va, kind);
      if (outcome == kernel::FaultOutcome::Gate) return t;
      if (outcome == kernel::FaultOutcome::Refused) {
        ++counters_.refused;
        return t;
      }
      ++counters_.retries;
      t = cpu_->access(va, kind, /*retry=*/true);
    }
    return t;
  }

  [[noreturn]] static void out_of_memory(VirtAddr va, AccessKind kind) {
    throw Error("",
                fmt::format("out of simulated memory at a {} of {:#x}", name_of(kind), va.value()),
                "give the machine more with mem.bytes");
  }

  void touch_caches(VirtAddr va, AccessKind kind, unsigned bytes, const mmu::Translation& t) {
    const uint64_t physical = (t.pfn.value() << page_.log2()) | (va.value() & page_.offset_mask());
    // One reference for each line of the first cache asked.
    const mem::Touch touch{.origin = mem::Origin::User,
                           .level = 0,
                           .dependent = false,
                           .fetch = kind == AccessKind::Fetch};
    const uint64_t last = sink_.line_bytes(touch) - 1;
    for (uint64_t at = physical; at < physical + bytes; at = (at | last) + 1) {
      const uint64_t piece = std::min<uint64_t>((at | last) + 1, physical + bytes) - at;
      sink_.reference(PhysAddr(at), static_cast<unsigned>(piece), writes(kind), touch);
    }
  }

  static constexpr unsigned kMaxFaults = 8;
  static constexpr ptrdiff_t kExpected = 4;  // data accesses ahead

  Tlbs& tlbs_;
  Cpu* cpu_ = &tlbs_.mmu(CpuId(0));
  CpuId id_{0};
  trace::ThreadId thread_{};  // whose turn it is
  AccessWatcher* watcher_ = nullptr;
  const trace::StaticBlock* block_ = nullptr;  // as WatchedAccess has it
  unsigned instruction_ = 0;
  const uint64_t* access_ = nullptr;         // as goes_to() has it
  const uint64_t* expected_ = nullptr;       // up to there in the batch misses have been expected
  const uint64_t* addresses_end_ = nullptr;  // of the batch
  kernel::Kernel& kernel_;
  mem::ReferenceSink& sink_;
  Checker* checker_;
  PageShift page_;
  bool keeps_time_;
  bool watches_reach_;
  bool counts_misses_;
  bool alone_ = true;
  LoopCounters counters_;
  bool mixed_sizes_ = false;  // a page larger than the base page was accessed
  bool surveys_ = false;
  static constexpr uint64_t kNever = ~uint64_t{0};
  uint64_t survey_begins_ = kNever;  // instructions
  bool needs_all_ = false;
  PagesInFront in_front_;              // while there may be a survey
  trace::NumberedRefs kept_in_front_;  // of the reference at hand, where there is no block_
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_REPLAY_LOOP_H_
