// The replay loop with two further ways through a trace, with the same counts: by page streams
// (trace/page_stream.h), and by what such a stream would keep of batches of blocks (sifted.h). Both
// make one look-up for each reference that is kept of a run of blocks.
//
// What is left out would change nothing as long as the pages it takes to be known are known to
// hit, each as the entry of its set that was used last. That is asked after every reference that
// was more than a plain hit: of its own page, and of all others if it touched anything else. Where
// it is not so, all references are done from there until it is. Of a batch of blocks that is asked
// behind each block, and later behind each two, four and so on. Of a page stream all references are
// in the columns (page_columns.h), and that is asked at the end of a batch of these. The loop does
// not fetch them by itself: several machines may want some, and columns are read once, forward. So
// it stops, says what it waits for, and is given them.
#ifndef MMUSIM_SIM_PAGE_LOOP_H_
#define MMUSIM_SIM_PAGE_LOOP_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>

#include "sim/contracts.h"
#include "sim/page_columns.h"
#include "sim/questions.h"
#include "sim/replay_loop.h"
#include "sim/segments.h"
#include "sim/sifted.h"
#include "trace/page_stream.h"
#include "trace/record.h"

namespace mmusim::sim {

template <PagedTlbs Tlbs>
class PageLoop : public ReplayLoop<Tlbs> {
  using Base = ReplayLoop<Tlbs>;
  using typename Base::Cpu;

 public:
  using Base::Base;

  // What a page stream keeps of a run of blocks; `sets`: for sets; `kept`: where that is numbered.
  // The same counts as run<Fast>() of the blocks. False: it waits for columns, and all that is
  // behind does with it. REQUIRES: a first level for each side, and with `sets` such as
  // tells_apart(); it does not wait.
  bool run_pages(const trace::Batch& batch, const std::optional<KeptRefs>& kept, bool sets) {
    if (batch.run_begins) {
      Base::take_turn(batch.thread);
      Base::count(batch.totals);
      done_to_ = batch.first_page;
      // Every store has to be noted, or pages differ in size: none is left out.
      if (needs_columns(sets)) {
        wanted_ = {ColumnsFrom::Reference, batch.first_page, {}};
        ++waits_;
        return false;
      }
    }
    return pages_of(batch, kept, sets);
  }
  // A batch of blocks, with what is kept of it. The same counts as run<Fast>(). REQUIRES: as
  // run_pages(), with `sets` the same in all of a run of blocks; what it asks for was wanted.
  void run_sifted(const SiftedBatch& some, bool sets) {
    Base::take_turn(some.batch.thread);
    Base::count(some.batch.totals);
    const KeptRefs& kept = some.kept;
    if (some.sifted.run_begins) unsettled_ = false;
    if (stands_for_pages_) begin_as_pages(some, sets);
    done_to_ = kept.first;
    uint32_t block = 0;  // the next one to be done whole
    bool whole = unsettled_ || needs_columns(sets);
    while (true) {
      if (whole) block = blocks_until_settled(some, block, sets);
      if (unsettled_ || kept_pages(kept, sets)) break;
      if (stands_for_pages_) wait_as_pages();
      const Sifted::At at = some.sifted.at(kept.places[wanted_.number - kept.first]);
      if (may_survey()) [[unlikely]]
        in_front_.pass(kept.refs, some.sifted.in_front_of(kept.places, at.block));
      const trace::Batch columns = some.columns(at.block, 1);
      Base::enter_addresses(columns);
      rest_of_block(columns.table[columns.blocks[0]], columns.addresses, at.op);
      block = at.block + 1;
      whole = true;
    }
    if (may_survey()) [[unlikely]]
      Base::leave_surveyed(some.batch, [&] { in_front_.pass(kept.refs, kept.refs.size()); });
    if (kernel_.tracks_stores()) [[unlikely]]
      Base::note_stores(some.columns());
    if (keeps_time_) [[unlikely]]
      kernel_.ran(Base::id_, some.batch.totals.instructions);
    if (would_wait_) [[unlikely]]
      end_as_pages(some, sets);
  }
  // Whether batches to come by run_sifted() stand for a page stream: then waits() counts as with
  // that, since the machine does the same, and would wait for the rest of a batch where here it
  // goes by blocks.
  void stand_for_pages(bool stands) {
    stands_for_pages_ = stands;
    would_wait_ = waited_ = false;
  }
  // Whether it would have waited for the last of them, or for some of it. REQUIRES: it stands.
  [[nodiscard]] bool would_have_waited() const { return waited_; }
  // Whether page streams are of no more use, or of none for sets.
  [[nodiscard]] bool needs_columns(bool sets) const {
    return keeps_time_ || kernel_.tracks_stores() || (sets && mixed_sizes_);
  }

  // What it waits for.
  [[nodiscard]] const ColumnsWanted& wanted() const { return wanted_; }
  // How often it began to.
  [[nodiscard]] uint64_t waits() const { return waits_; }
  // The columns' batch, from where it waits, and then of `batch`, which it waits in or was to do
  // next, what has not been done. As run_pages(). REQUIRES: columns.have(wanted()).
  bool run_columns(const PageColumns::Moved& columns, const trace::Batch& batch,
                   const std::optional<KeptRefs>& kept, bool sets) {
    const trace::Batch& blocks = columns.batch();
    if (wanted_.from == ColumnsFrom::BehindReference)
      rest_of_batch(blocks, columns.find(wanted_));
    else
      column_blocks(blocks);
    done_to_ = columns.kept();
    if (blocks.goes_on && (needs_columns(sets) || !settled(columns.sieve(), {}, sets))) {
      wanted_ = {ColumnsFrom::Batch, columns.number() + 1, {}};
      return false;
    }
    return pages_of(batch, kept, sets);
  }

 private:
  using Base::cpu_;
  using Base::in_front_;
  using Base::keeps_time_;
  using Base::kernel_;
  using Base::may_survey;
  using Base::mixed_sizes_;

  bool pages_of(const trace::Batch& batch, const std::optional<KeptRefs>& kept, bool sets) {
    const bool done =
        kept ? kept_pages(*kept, sets) : pages(batch.pages, batch.first_page, *batch.known, sets);
    if (!done) ++waits_;
    return done;
  }

  // What is kept of some of a run of blocks, `first` of it in front of these, and has not been
  // done. False: more than these is to be done behind the reference that is wanted_.
  template <class Refs>
  bool pages(const Refs& refs, uint64_t first, trace::KnownPages& known, bool sets) {
    typename Cpu::Hits hits = cpu_->hits();
    uint64_t time = cpu_->time();
    for (size_t i = done_of(refs.size(), first); i < refs.size();) {
      const trace::PageRef ref = refs[i++];
      const bool hit = hits.one(ref.is_data(), ref.writes(), ref.page(), ++time);
      if (hit && !ref.crosses()) [[likely]]
        continue;
      if (!missed_page(refs, i, first, known, time, sets)) return false;
      hits = cpu_->hits();
    }
    cpu_->set_time(time);
    return true;
  }
  // The same of what is numbered.
  bool kept_pages(const KeptRefs& kept, bool sets) {
    return pages(kept.refs, kept.first, *kept.known, sets);
  }
  bool kept_pages(const KeptRefs& kept, bool sets) requires StampedHits<typename Cpu::Hits> {
    const std::span<const uint32_t> numbers = kept.refs.numbers();
    const auto* questions = questions_.of(kept.table, cpu_->hits());
    uint64_t time = cpu_->time();
    for (size_t i = done_of(numbers.size(), kept.first); i < numbers.size();) {
      const size_t segment = i / Segments::kRefs;
      const size_t end = std::min(numbers.size(), (segment + 1) * Segments::kRefs);
      if (i == segment * Segments::kRefs && all_hit(questions, kept.segments->of(segment), time)) {
        i = end;
        continue;
      }
      while (true) {
        const size_t hits = count_hits(questions, numbers.subspan(i, end - i), time);
        time += hits;
        i += hits;
        if (i == end) break;
        ++time;
        ++i;
        if (!missed_page(kept.refs, i, kept.first, *kept.known, time, sets)) return false;
        if (!questions_.are_of(cpu_->hits())) [[unlikely]]
          questions = questions_.of(kept.table, cpu_->hits());
      }
    }
    cpu_->set_time(time);
    return true;
  }

  // How many of so many have been done.
  [[nodiscard]] size_t done_of(size_t count, uint64_t first) const {
    return std::min<uint64_t>(done_to_ - std::min(done_to_, first), count);
  }

  // How many of a row hit before one does not; these are done, at the times above `time`. By
  // itself, so that all it needs stays in registers.
  template <class Question>
  static size_t count_hits(const Question* questions, std::span<const uint32_t> numbers,
                           uint64_t time) {
    const uint32_t* const row = numbers.data();
    const size_t count = numbers.size();
    size_t i = 0;
    for (; i < count; ++i) {
      const Question& question = questions[row[i]];
      if (!question.would_hit()) [[unlikely]]
        break;
      *question.stamp() = time + i + 1;
    }
    return i;
  }
  // Whether all of a segment hits; then it is done.
  template <class Question>
  static bool all_hit(const Question* questions, std::span<const uint32_t> numbers,
                      uint64_t& time) {
    std::array<uint64_t*, Segments::kRefs> stamps;
    size_t count = 0;
    for (const uint32_t number : numbers) {
      const Question& question = questions[number];
      if (!question.would_hit()) return false;
      stamps[count++] = question.stamp();
    }
    while (count != 0)
      *stamps[--count] = ++time;
    return true;
  }

  // The last of the first `count` is more than a plain hit. False: as pages().
  template <class Refs>
  [[gnu::always_inline]] bool missed_page(const Refs& refs, size_t count, uint64_t first,
                                          trace::KnownPages& known, uint64_t& time, bool sets) {
    if constexpr (ExpectingCpu<Cpu>) {
      if (expects_ != 0) {
        --expects_;
        expect_misses(refs, count);
      }
    }
    const trace::PageRef ref = refs[count - 1];
    if constexpr (std::is_same_v<Refs, trace::NumberedRefs>)
      if (Base::surveys_) [[unlikely]]
        Base::kept_in_front_ = refs.subspan(0, count - 1);
    uint64_t now = time;  // so that the other one stays in a register
    const Doubts doubts = slow_page(ref, now, sets);
    time = now;
    if (!doubts.fetched && !doubts.data) [[likely]]
      return true;
    if (!needs_columns(sets) && settled(known.behind(refs, count, sets), doubts, sets)) return true;
    cpu_->set_time(time);
    wanted_ = {ColumnsFrom::BehindReference, first + count - 1, ref};
    return false;
  }

  struct Doubts {  // on which sides what is taken to be known may not be settled
    bool fetched = true;
    bool data = true;
  };
  // A reference of a page stream that is more than a plain hit.
  [[gnu::noinline]] Doubts slow_page(trace::PageRef ref, uint64_t& time, bool sets) {
    cpu_->set_time(time);
    const uint64_t generation = cpu_->generation();
    const bool data = ref.is_data();
    [[maybe_unused]] const uint64_t misses = cpu_->last_misses(ref.kind());
    Base::block_ = nullptr;
    if (ref.crosses())
      Base::template reference<ReplayMode::Fast>(ref.page() + trace::kBlockPage.offset_mask(),
                                                 ref.kind(), 2);
    else
      Base::template miss<ReplayMode::Fast>(ref.page(), ref.kind(), 1);
    if constexpr (ExpectingCpu<Cpu>)
      if (cpu_->last_misses(ref.kind()) != misses) expects_ = kExpectsFor;
    const bool kept = cpu_->generation() == generation && !needs_columns(sets);
    const bool own = kept && used_its_own(ref, time, sets);
    const bool other = kept && cpu_->time_of(!data) == time;
    time = cpu_->time();
    return data ? Doubts{.fetched = !other, .data = !own} : Doubts{.fetched = !own, .data = !other};
  }

  // Whether all uses of the reference's side since `before` were its own: as many as it has pages,
  // each of its page; or, where only the last page used is taken to be known, the last of them.
  // What crosses into another page leaves none known then.
  [[nodiscard]] bool used_its_own(trace::PageRef ref, uint64_t before, bool sets) const {
    const bool data = ref.is_data();
    const auto used = [&](VirtAddr page, uint64_t time) {
      return cpu_->used_at(page, data, ref.writes(), time);
    };
    const uint64_t now = cpu_->time_of(data);
    if (!ref.crosses()) return used(ref.page(), now) && (!sets || now == before + 1);
    if (!sets) return true;
    return now == before + 2 && used(ref.page(), before + 1) &&
           used(ref.page() + trace::kBlockPage.bytes(), now);
  }

  // As ReplayLoop's: where data will be that misses. Asked behind one that missed all levels: where
  // the next level answers, looking ahead gains nothing, and took a tenth of a pass of 64 machines.
  template <class Refs>
  void expect_misses(const Refs& refs, size_t from) {
    const typename Cpu::Hits hits = cpu_->hits();
    const size_t end = std::min<size_t>(from + Base::kExpected, refs.size());
    for (size_t i = from; i < end; ++i)
      if (refs[i].is_data() && !hits.knows_data(refs[i].page())) cpu_->expect(refs[i].page());
  }

  // Whether what is in doubt of what is taken to be known would change nothing now.
  [[nodiscard]] bool settled(const trace::PageSieve& known, const Doubts& doubts, bool sets) const {
    const auto side = [&](bool data) {
      const auto would = [this, data](const trace::SeenPage& seen) {
        return seen.page == trace::SeenPage::kNone ||
               cpu_->settled(VirtAddr(seen.page << trace::kBlockPage.log2()), data,
                             (seen.seen & trace::SeenPage::kWritten) != 0);
      };
      if (!sets) return would(known.last(data));
      const auto slots = known.slots(data);
      return std::all_of(slots.begin(), slots.end(), would);
    };
    return (!doubts.data || side(true)) && (!doubts.fetched || side(false));
  }

  // What run_pages() and run_columns() would do, of a batch of blocks that stands for what a page
  // stream keeps of it.
  void begin_as_pages(const SiftedBatch& some, bool sets) {
    waited_ = would_wait_;
    if (some.sifted.run_begins && needs_columns(sets)) wait_as_pages();
  }
  void wait_as_pages() {
    if (!would_wait_) ++waits_;
    would_wait_ = waited_ = true;
  }
  [[gnu::noinline]] void end_as_pages(const SiftedBatch& some, bool sets) {
    const KeptRefs& kept = some.kept;
    would_wait_ = some.batch.goes_on &&
                  (needs_columns(sets) ||
                   !settled(kept.known->behind(kept.refs, kept.refs.size(), sets), {}, sets));
  }

  void column_blocks(const trace::Batch& batch) {
    Base::enter_addresses(batch);
    Base::fast_blocks(batch, 0, batch.addresses);
    if (kernel_.tracks_stores()) Base::note_stores(batch);
  }

  // Of a batch of blocks all from one on, until what is taken to be known there is settled, or to
  // its end; more and more at a time, as it is mostly soon that it is, but may be late. Which block
  // is next.
  [[gnu::noinline]] uint32_t blocks_until_settled(const SiftedBatch& some, uint32_t block,
                                                  bool sets) {
    const KeptRefs& kept = some.kept;
    const auto end = static_cast<uint32_t>(some.batch.blocks.size());
    for (uint32_t more = 1;; more *= 2) {
      if (!needs_columns(sets)) {
        const size_t done = some.sifted.in_front_of(kept.places, block);
        unsettled_ = !settled(kept.known->behind(kept.refs, done, sets), {}, sets);
        done_to_ = kept.first + done;
      } else {
        unsettled_ = true;
        more = end;
      }
      if (!unsettled_ || block == end) return block;
      if (may_survey()) [[unlikely]]
        in_front_.pass(kept.refs, some.sifted.in_front_of(kept.places, block));
      const uint32_t count = std::min(more, end - block);
      const trace::Batch columns = some.columns(block, count);
      Base::enter_addresses(columns);
      Base::fast_blocks(columns, 0, columns.addresses);
      block += count;
    }
  }

  void rest_of_batch(const trace::Batch& batch, const Sifted::At& at) {
    Base::enter_addresses(batch);
    const uint64_t* addresses = batch.addresses;
    for (const uint32_t number : batch.blocks.first(at.block))
      addresses += batch.table[number].mem_ops;
    const trace::StaticBlock& block = batch.table[batch.blocks[at.block]];
    rest_of_block(block, addresses, at.op);
    Base::fast_blocks(batch, at.block + 1, addresses + block.mem_ops);
    if (kernel_.tracks_stores()) Base::note_stores(batch);
  }
  // What is behind a reference, as PageSieve has it.
  [[gnu::noinline]] void rest_of_block(const trace::StaticBlock& block, const uint64_t* addresses,
                                       unsigned reference) {
    unsigned instruction = 1;  // the next one
    unsigned op = 0;           // likewise
    if (reference == trace::kLastFetchOp) {
      instruction = block.instructions;
      while (op < block.mem_ops && block.ops[op].instruction + 1u < block.instructions)
        ++op;
    } else if (reference != trace::kFetchOp) {
      instruction = block.ops[reference].instruction + 1u;
      op = reference + 1;
    }
    Base::template exact_block<ReplayMode::Fast>(block, addresses, instruction, op);
  }

  static constexpr unsigned kExpectsFor = 8;

  struct None {};
  template <class Hits>
  struct QuestionsOf {
    using type = None;
  };
  template <StampedHits Hits>
  struct QuestionsOf<Hits> {
    using type = Questions<Hits>;
  };
  [[no_unique_address]] typename QuestionsOf<typename Cpu::Hits>::type questions_;

  ColumnsWanted wanted_;
  uint64_t waits_ = 0;
  unsigned expects_ = 0;  // so many more that are no plain hits are to look for the next ones

  // Of the run of blocks a page stream is of.
  uint64_t done_to_ = 0;  // references of the stream, as they are numbered in a chunk

  bool unsettled_ = false;  // behind the last batch that was sifted, what is taken to be known
  bool stands_for_pages_ = false;
  bool would_wait_ = false;  // behind the last of these
  bool waited_ = false;      // within it
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_PAGE_LOOP_H_
