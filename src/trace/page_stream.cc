#include "trace/page_stream.h"

#include <algorithm>
#include <iterator>

namespace mmusim::trace {
namespace {

// A return: the set in the low bits, the kind above. This one instead says that the next page is
// one of those kept for sets.
constexpr unsigned kSetBits = 4;
static_assert(kPageSets == 1u << kSetBits);
constexpr uint8_t kNext = 4u << kSetBits;

constexpr uint64_t set_of(uint64_t page) {
  return page & (kPageSets - 1);
}

constexpr size_t kFirstRefSlots = size_t{1} << 13;

// What a page is stored as beside its distance: the kind, and whether the reference crosses.
constexpr uint8_t kKindMask = 3;
constexpr uint8_t kCrossing = 4;

}  // namespace

// An access that crosses uses two pages, or, where pages are larger, one; whichever is used last
// of its set then is not told.
void PageSieve::cross_slots(PageRef ref) {
  const size_t side = ref.is_data() ? 1 : 0;
  slots_[side][set_of(ref)] = {};
  slots_[side][(set_of(ref) + 1) & (kPageSets - 1)] = {};
}

// Of references kept for any, the last of the side.
template <class Refs>
void PageSieve::learn_last(const Refs& kept, bool data, LastPage& side) {
  for (size_t i = kept.size(); i-- > 0;) {
    if (kept[i].is_data() != data) continue;
    side.forget();
    side.spare(kept[i]);
    return;
  }
}

// Of the page a slot knows nothing more is kept than a first write, so what is known is the page of
// the last reference, and that it was written if this one writes.
template <class Refs>
void PageSieve::learn(const Refs& kept, bool sets) {
  if (!sets) {
    for (const size_t side : {size_t{0}, size_t{1}})
      learn_last(kept, side != 0, last_[side]);
    return;
  }
  // From the last on, until each slot has been met, which is soon.
  auto unmet = static_cast<uint32_t>((uint64_t{1} << 2 * kPageSets) - 1);
  const auto meet = [&](PageRef ref, uint64_t set, Known known) {
    const size_t side = ref.is_data() ? 1 : 0;
    const uint32_t bit = uint32_t{1} << (side * kPageSets + set);
    if ((unmet & bit) != 0) slots_[side][set] = known;
    unmet &= ~bit;
  };
  for (size_t i = kept.size(); i-- > 0 && unmet != 0;) {
    const PageRef ref = kept[i];
    meet(ref, set_of(ref), ref.crosses() ? Known{} : used(ref));
    if (ref.crosses()) [[unlikely]]
      meet(ref, (set_of(ref) + 1) & (kPageSets - 1), Known{});
  }
}

template <class Refs>
const PageSieve& KnownPages::behind(const Refs& refs, size_t count, bool sets) {
  const auto place =
      std::lower_bound(asked_.begin(), asked_.end(), count,
                       [](const At& at, size_t wanted) { return at.count < wanted; });
  if (place != asked_.end() && place->count == count) return place->known;
  size_t from = 0;
  const PageSieve* known = &front_;
  if (place != asked_.begin()) {
    from = std::prev(place)->count;
    known = &std::prev(place)->known;
  }
  if (last_.count > from && last_.count <= count) {
    from = last_.count;
    known = &last_.known;
  }
  At found{count, *known};
  found.known.learn(refs.subspan(from, count - from), sets);
  if (asked_.size() < kMost) return asked_.insert(place, found)->known;
  last_ = found;
  return last_.known;
}

using PlainRefs = std::span<const PageRef>;
template void PageSieve::learn(const PlainRefs&, bool);
template void PageSieve::learn(const NumberedRefs&, bool);
template const PageSieve& KnownPages::behind(const PlainRefs&, size_t, bool);
template const PageSieve& KnownPages::behind(const NumberedRefs&, size_t, bool);

void PageStreamMaker::rehash(size_t slots) {
  slots_.assign(slots, 0);
  for (uint32_t i = 0; i < refs_.size(); ++i) {
    size_t slot = digest_of(refs_[i]) & (slots - 1);
    while (slots_[slot] != 0)
      slot = (slot + 1) & (slots - 1);
    slots_[slot] = i + 1;
  }
}

uint32_t PageStreamMaker::number_of(PageRef ref) {
  const size_t mask = slots_.size() - 1;
  for (size_t slot = digest_of(ref) & mask;; slot = (slot + 1) & mask) {
    const uint32_t found = slots_[slot];
    if (found != 0 && refs_[found - 1] == ref) return found - 1;
    if (found != 0) continue;
    refs_.push_back(ref);
    slots_[slot] = static_cast<uint32_t>(refs_.size());
    if (refs_.size() * 2 > slots_.size()) rehash(slots_.size() * 2);
    return static_cast<uint32_t>(refs_.size() - 1);
  }
}

void PageStreamMaker::begin() {
  runs_.clear();
  returns_.clear();
  kept_.clear();
  too_large_ = false;
  all_ = 0;
  for_any_ = 0;
  run_kept_ = 0;
  run_needed_ = 0;
  sieve_.forget();
}

// What its slots say of each: that it is spared, or, where nobody else needs to know, that it is
// not among those returned. Which ones these are cannot be foreseen, so all are written, and the
// next takes the place of one that does not stay.
std::span<PlacedRef> PageStreamMaker::sift(std::span<PlacedRef> refs) {
  uint64_t digests = 0;
  size_t count = 0;
  for (const PlacedRef placed : refs) {
    uint64_t spared = 0;
    if (placed.ref.crosses()) [[unlikely]]
      sieve_.cross_slots(placed.ref);
    else
      spared = sieve_.spare_by_slot(placed.ref);
    digests += digest_of(placed.ref);
    refs[count] = {placed.ref, placed.place, static_cast<uint32_t>(spared)};
    count += returns_too_ ? 1 : 1 - spared;
  }
  for_any_ += digests;
  run_needed_ += refs.size();
  return refs.first(count);
}

void PageStreamMaker::take(std::span<PlacedRef> fetches, std::span<PlacedRef> data,
                           uint64_t digests) {
  if (too_large_) return;
  all_ += digests;
  fetches = sift(fetches);
  data = sift(data);
  const size_t most = fetches.size() + data.size();
  kept_.reserve(most * sizeof(PageRef));
  returns_.reserve(most);
  auto* kept = reinterpret_cast<PageRef*>(kept_.end());
  uint8_t* back = returns_.end();
  const auto put = [&](const PlacedRef& placed) {
    if (returns_too_) {
      const uint64_t way =
          static_cast<uint64_t>(placed.ref.kind()) << kSetBits | set_of(placed.ref.number());
      *back++ = static_cast<uint8_t>(placed.spared != 0 ? way : kNext);
    }
    *kept = placed.ref;
    kept += 1 - placed.spared;
  };
  const PlacedRef* fetch = fetches.data();
  const PlacedRef* other = data.data();
  const PlacedRef* const fetches_end = fetch + fetches.size();
  const PlacedRef* const data_end = other + data.size();
  while (fetch != fetches_end && other != data_end) {
    const bool first = fetch->place <= other->place;
    put(first ? *fetch : *other);
    fetch += first ? 1 : 0;
    other += first ? 0 : 1;
  }
  std::for_each(fetch, fetches_end, put);
  std::for_each(other, data_end, put);
  returns_.set_end(back);
  kept_.set_end(reinterpret_cast<const uint8_t*>(kept));
  too_large_ = this->kept().size() * sizeof(uint32_t) + returns_.size() > kMaxPageStreamBytes;
}

void PageStreamMaker::end_run(const Totals& run) {
  runs_.varint(run.instructions);
  runs_.varint(run.loads);
  runs_.varint(run.stores);
  runs_.varint(run.modifies);
  runs_.varint(kept().size() - run_kept_);
  runs_.varint(run_needed_);
  run_kept_ = kept().size();
  run_needed_ = 0;
  sieve_.forget();
}

void PageStreamMaker::finish(PageStreams& out) {
  for (ByteBuffer& stream : out.streams)
    stream.clear();
  out.digests = {};
  out.returns = returns_too_;
  out.too_large = too_large_;
  if (too_large_) return;
  refs_.clear();
  rehash(kFirstRefSlots);
  numbers_.clear();
  numbers_.reserve(kept().size());
  uint64_t for_sets = 0;
  for (const PageRef ref : kept()) {
    for_sets += digest_of(ref);
    numbers_.push_back(number_of(ref));
  }
  out.digests = {.all = all_, .left_out = all_ - for_sets, .left_out_last = all_ - for_any_};

  ByteBuffer& pages = out.streams[static_cast<size_t>(PageStream::Pages)];
  pages.varint(refs_.size());
  uint64_t before = 0;
  for (const PageRef ref : refs_) {
    pages.byte(
        static_cast<uint8_t>(static_cast<unsigned>(ref.kind()) | (ref.crosses() ? kCrossing : 0u)));
    pages.signed_varint(static_cast<int64_t>(ref.number() - before));
    before = ref.number();
  }
  const size_t bytes = block_number_bytes(refs_.size());
  pages.reserve(numbers_.size() * bytes + sizeof(uint32_t));
  uint8_t* at = pages.end();
  for (const uint32_t number : numbers_) {
    std::memcpy(at, &number, sizeof number);
    at += bytes;
  }
  pages.set_end(at);
  std::swap(out.streams[static_cast<size_t>(PageStream::Runs)], runs_);
  std::swap(out.streams[static_cast<size_t>(PageStream::Returns)], returns_);
  uint64_t size = 0;
  for (const ByteBuffer& stream : out.streams)
    size += stream.size();
  out.too_large = size > kMaxPageStreamBytes;
}

void PageStreamMaker::make(const BatchSource& columns, PageStreams& out) {
  begin();
  Totals run;
  for (Batch batch; columns(batch);) {
    if (batch.event != nullptr) continue;
    run += batch.totals;
    // The place of one that is spared is the next one's.
    if (of_batch_[0].size() < 2 * batch.blocks.size()) of_batch_[0].resize(2 * batch.blocks.size());
    if (of_batch_[1].size() <= batch.totals.data_accesses())
      of_batch_[1].resize(batch.totals.data_accesses() + 1);
    std::array<PlacedRef*, 2> at = {of_batch_[0].data(), of_batch_[1].data()};
    uint64_t digests = 0;
    uint32_t place = 0;
    each_reference(batch, [&](PageRef ref, uint32_t /*block*/, unsigned /*op*/) {
      const size_t which = ref.is_data() ? 1 : 0;
      digests += digest_of(ref);
      *at[which] = {ref, place++};
      at[which] += 1 - side(ref.is_data()).spare(ref);
    });
    take({of_batch_[0].data(), at[0]}, {of_batch_[1].data(), at[1]}, digests);
    if (batch.goes_on) continue;
    end_run(run);
    run = {};
  }
  finish(out);
}

void PageDecoder::open(const ChunkHeader& header, std::span<const uint8_t> control, const Raw& raw,
                       bool any, const Place& place) {
  place_ = place;
  header_ = header;
  any_ = any;
  control_.open(control, place_);
  runs_ = ByteReader(raw[static_cast<size_t>(PageStream::Runs)], place_, name_of(PageStream::Runs));
  numbers_ = raw[static_cast<size_t>(PageStream::Pages)];
  const auto returns = raw[static_cast<size_t>(PageStream::Returns)];
  returns_ = returns.data();
  returns_left_ = any ? returns.size() : 0;
  if (any && std::any_of(returns.begin(), returns.end(), [](uint8_t r) { return r > kNext; }))
    fail("the stream of returns has one of no kind");
  read_pages();
  pages_ = {};
  run_begins_ = false;
  left_ = 0;
  done_ = {};
  kept_ = 0;
  digest_sum_ = 0;
}

void PageDecoder::read_pages() {
  ByteReader in(numbers_, place_, name_of(PageStream::Pages));
  const uint64_t count = in.varint_up_to(in.left() / 2, "the number of pages");
  refs_.clear();
  digest_.clear();
  uint64_t page = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const uint8_t what = in.byte();
    if (what > (kKindMask | kCrossing)) in.fail("a page of no kind");
    page += static_cast<uint64_t>(in.signed_varint());
    if (page > ~uint64_t{0} >> kBlockPage.log2()) in.fail("a page beyond the address space");
    const PageRef ref(VirtAddr(page << kBlockPage.log2()),
                      static_cast<AccessKind>(what & kKindMask), (what & kCrossing) != 0);
    refs_.push_back(ref);
    digest_.push_back(digest_of(ref));
  }
  numbers_ = numbers_.subspan(in.position());
  number_bytes_ = block_number_bytes(count);
  next_number_ = 0;
  if (numbers_.size() % number_bytes_ != 0) in.fail("half a page number");
  if (!all_below(numbers_, number_bytes_, count)) in.fail("a number of no page");
}

// The blocks up to the next item, of which what is kept is there.
void PageDecoder::begin_run() {
  run_ = {};
  run_.blocks = control_.run();
  control_.take_blocks(run_.blocks);
  const uint64_t most = header_.totals.references();
  run_.instructions = runs_.varint_up_to(most, "the instructions of a run");
  run_.loads = runs_.varint_up_to(most, "the loads of a run");
  run_.stores = runs_.varint_up_to(most, "the stores of a run");
  run_.modifies = runs_.varint_up_to(most, "the read-modify-writes of a run");
  const uint64_t numbers =
      runs_.varint_up_to(numbers_.size() / number_bytes_ - next_number_, "the pages of a run");
  const uint64_t returns = runs_.varint_up_to(any_ ? returns_left_ : most * 2, "what a run keeps");
  done_ += run_;
  if (numbers == 0) runs_.fail("a run of blocks that keeps nothing");
  left_ = numbers;
  if (any_) {
    if (static_cast<uint64_t>(std::count(returns_, returns_ + returns, kNext)) != numbers)
      runs_.fail("a run whose pages and returns do not fit together");
    returns_left_ -= returns;
    left_ = returns;
  }
  run_begins_ = true;
}

void PageDecoder::check_end() const {
  if (done_ != header_.totals) fail("the chunk's totals do not match those of its page stream");
  if (!runs_.at_end() || returns_left_ != 0 || next_number_ * number_bytes_ != numbers_.size())
    fail("the page stream has more than the chunk's runs");
  const PageDigests& digests = header_.digests;
  if (digest_sum_ + (any_ ? digests.left_out_last : digests.left_out) != digests.all)
    fail("the page stream is not what its digest says");
}

bool PageDecoder::next(Batch& batch) {
  batch = Batch{};
  while (left_ == 0) {
    if (control_.run() != 0) {
      static_cast<void>(control_.thread());
      begin_run();
      break;
    }
    if (!control_.item_due()) {
      check_end();
      return false;
    }
    control_.take_item(batch);
    if (batch.event == nullptr) continue;
    ++done_.events;
    return true;
  }
  batch.thread = control_.thread();
  if (run_begins_) behind_.forget();
  if (run_begins_ || !any_)
    known_ = behind_;
  else
    known_.learn(given_, false);
  const size_t count = std::min<uint64_t>(left_, kBatchRefs);
  if (any_)
    decode_returns(count);
  else
    decode(count);
  left_ -= count;
  batch.of_pages = true;
  batch.pages = given_ = std::span(batch_).first(count);
  along_.begin(known_);
  batch.known = &along_;
  batch.first_page = kept_;
  batch.run_begins = run_begins_;
  batch.goes_on = left_ != 0;
  if (run_begins_) batch.totals = run_;
  run_begins_ = false;
  kept_ += count;
  return true;
}

// REQUIRES: so many numbers are left.
void PageDecoder::decode(size_t count) {
  const PageRef* const refs = refs_.data();
  const uint64_t* const digests = digest_.data();
  PageRef* const to = batch_.data();
  uint64_t sum = 0;
  const auto all = [&](auto number) {
    const uint8_t* const from = numbers_.data() + next_number_ * sizeof number;
    for (size_t i = 0; i < count; ++i) {
      std::memcpy(&number, from + i * sizeof number, sizeof number);
      to[i] = refs[number];
      behind_.learn_next(to[i]);
      sum += digests[number];
    }
  };
  if (number_bytes_ == sizeof(uint16_t))
    all(uint16_t{});
  else
    all(uint32_t{});
  next_number_ += count;
  digest_sum_ += sum;
}

// REQUIRES: so many returns are left, and a number for each that wants one.
void PageDecoder::decode_returns(size_t count) {
  PageRef* const to = batch_.data();
  const uint8_t* const from = returns_;
  uint64_t sum = 0;
  const auto all = [&](auto number) {
    const uint8_t* numbers = numbers_.data() + next_number_ * sizeof number;
    for (size_t i = 0; i < count; ++i) {
      const uint8_t what = from[i];
      if (what == kNext) {
        std::memcpy(&number, numbers, sizeof number);
        numbers += sizeof number;
        const PageRef ref = refs_[number];
        pages_[ref.is_data() ? 1 : 0][set_of(ref.number())] = ref.page().value();
        to[i] = ref;
      } else {
        const auto kind = static_cast<AccessKind>(what >> kSetBits);
        to[i] =
            PageRef(VirtAddr(pages_[kind == AccessKind::Fetch ? 0 : 1][set_of(what)]), kind, false);
      }
      sum += digest_of(to[i]);
    }
    next_number_ = static_cast<uint64_t>(numbers - numbers_.data()) / sizeof number;
  };
  if (number_bytes_ == sizeof(uint16_t))
    all(uint16_t{});
  else
    all(uint32_t{});
  returns_ += count;
  digest_sum_ += sum;
}

}  // namespace mmusim::trace
