#include "record/collector.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

#include "base/error.h"
#include "record/collector_state.h"
#include "record/futex.h"

namespace mmusim::record {
namespace {

constexpr uint64_t kWorthPunching = 8192;  // words; below, a ring's memory is kept for the next

// Ended, whether or not its parent has waited for it.
bool is_gone(uint32_t process) {
  const auto handle = static_cast<int>(syscall(SYS_pidfd_open, process, 0));
  if (handle < 0) return errno == ESRCH;
  pollfd ended{handle, POLLIN, 0};
  const bool gone = poll(&ended, 1, 0) > 0;
  close(handle);
  return gone;
}

// What is before `consumed` can be written anew.
void give_room(RingHead& ring, uint64_t consumed) {
  ring.consumed.store(consumed);
  if (ring.sleeps.load() == 0) return;
  ring.sleeps.store(0);
  futex_wake(ring.sleeps);
}

}  // namespace

Collector::Collector(trace::Writer& writer, const Isa& isa, Share& share, int file)
    : writer_(writer), isa_(isa), share_(share), file_(file), known_rings_(share.rings) {}

Collector::~Collector() {
  for (auto& [id, process] : processes_)
    if (process->handle >= 0) close(process->handle);
}

RingHead& Collector::head(uint32_t ring) const {
  return heads_of(share_)[ring];
}

uint64_t* Collector::words(uint32_t ring) const {
  return words_of(share_, ring);
}

void Collector::free_ring(uint32_t ring) {
  if (ring == kNoRing) return;
  RingHead& it = head(ring);
  if (it.written.load() > kWorthPunching) {
    const auto at = static_cast<off_t>(share_.words_offset + ring * kRingWords * sizeof(uint64_t));
    static_cast<void>(fallocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
                                kRingWords * sizeof(uint64_t)));
  }
  known_rings_[ring] = false;
  it.state.store(ring_state(0, RingState::Free));
}

bool Collector::find_rings() {
  const uint32_t registrations = share_.registrations.load();
  if (registrations == registrations_ && !look_again_) return true;
  registrations_ = registrations;
  look_again_ = false;
  for (uint32_t ring = 0; ring < share_.rings; ++ring) {
    if (known_rings_[ring]) continue;
    const uint64_t state = head(ring).state.load();
    switch (state_of(state)) {
      case RingState::Claimed:
        // Killed in between, or soon to be a thread's.
        if (is_gone(process_of(state)))
          free_ring(ring);
        else
          look_again_ = true;
        break;
      case RingState::Thread:
      case RingState::Ended: {
        auto stream = std::make_unique<Stream>();
        stream->ring = ring;
        stream->id = {Pid(process_of(state)), Tid(head(ring).thread.load())};
        streams_.push_back(std::move(stream));
        known_rings_[ring] = true;
        break;
      }
      case RingState::Definitions:
      case RingState::Free:
        break;
    }
  }
  return !look_again_;
}

// Rings of definitions whose processes were killed before they had said that they are there. They
// are few, and looked for only where rings are wanting.
void Collector::free_orphans() {
  if (share_.starved.load() == 0) return;
  const auto is_of = [](uint64_t state, uint32_t process) {
    return process_of(state) == process && state_of(state) != RingState::Free;
  };
  for (uint32_t ring = 0; ring < share_.rings; ++ring) {
    const uint64_t state = head(ring).state.load();
    if (state_of(state) != RingState::Definitions || !is_gone(process_of(state))) continue;
    // It takes no more of them now. What a thread of it has written refers to its definitions.
    bool needed = std::any_of(processes_.begin(), processes_.end(), [ring](const auto& known) {
      return known.second->definitions_ring == ring;
    });
    for (uint32_t other = 0; other < share_.rings; ++other)
      needed = needed || (other != ring && is_of(head(other).state.load(), process_of(state)));
    if (!needed) free_ring(ring);
  }
}

uint64_t Collector::collect() {
  const uint64_t before = consumed_;
  uint64_t certain = share_.sequence.load();
  if (!find_rings()) certain = 0;
  for (const auto& stream : streams_) {
    RingHead& ring = head(stream->ring);
    const bool dead = stream->process != nullptr && stream->process->dead;
    stream->complete = dead || state_of(ring.state.load()) == RingState::Ended;
    const uint64_t claim = ring.claim.load();
    if (claim != 0 && !stream->complete) certain = std::min(certain, claim);
    stream->there = ring.written.load();
  }
  for (size_t i = 0; i < streams_.size(); ++i) {
    parse(*streams_[i]);
    leave_impossible(*streams_[i]);
  }
  for (;;) {
    Stream* next = nullptr;
    for (const auto& stream : streams_)
      if (stream->at_number && !stream->sleeps &&
          (next == nullptr || stream->number < next->number))
        next = stream.get();
    if (next == nullptr || next->number >= certain || !at_its_turn(*next)) break;
    parse(*next);
    give_back_early(*next);
  }
  give_back();
  free_ended();
  return consumed_ - before;
}

// While more of the ring is to be read its producer can go on, and is woken for half of it: not for
// less, since to wake somebody takes a while.
void Collector::give_back_early(const Stream& stream) {
  RingHead& ring = head(stream.ring);
  consumed_ += stream.read - ring.consumed.load(std::memory_order_relaxed);
  if (stream.there - stream.read <= kRingWords / 2)
    give_room(ring, stream.read);
  else
    ring.consumed.store(stream.read);
}

void Collector::give_back() {
  for (const auto& stream : streams_) {
    RingHead& ring = head(stream->ring);
    consumed_ += stream->read - ring.consumed.load(std::memory_order_relaxed);
    give_room(ring, stream->read);
  }
  for (const auto& [id, process] : processes_)
    read_definitions(*process);
}

// --- The words of a thread

// A number that was never given, in what a process left that has ended: nobody's turn comes then.
void Collector::leave_impossible(Stream& stream) {
  if (!stream.complete || !stream.at_number || stream.number < share_.sequence.load()) return;
  stream.at_number = false;
  stream.event.clear();
  ++counts_.lost_words;
  parse(stream);
}

void Collector::parse(Stream& stream) {
  if (stream.at_number && stream.is_event) fill_event(stream);
  const uint64_t* const ring = words(stream.ring);
  while (!stream.at_number && stream.read != stream.there) {
    const uint64_t word = ring[stream.read & kRingMask];
    if ((word & kTagMask) == kBlockTag && stream.sized_word == 0 && !continues(stream, word)) {
      end_block(stream);
      const uint64_t before = stream.read;
      usual_blocks(stream);
      if (stream.read != before) continue;
    }
    ++stream.read;
    one_word(stream, word);
  }
}

// Whether it may be a further iteration of the instruction that the block before it ends with.
bool Collector::repeats(const Definitions& definitions, uint64_t number) {
  const Definition* const next = definitions.find(number);
  return next == nullptr || (next->flags & kRepeats) != 0;
}

bool Collector::continues(const Stream& stream, uint64_t word) {
  return stream.block != nullptr && stream.process != nullptr &&
         repeats(stream.process->definitions, word >> kTagBits);
}

void Collector::usual_blocks(Stream& stream) {
  if (stream.process == nullptr || stream.ended) return;
  const Definitions& definitions = stream.process->definitions;
  const uint64_t begin = stream.read & kRingMask;
  const uint64_t* const first = words(stream.ring) + begin;
  const uint64_t* const end = first + std::min(stream.there - stream.read, kRingWords - begin);
  const uint64_t* at = first;
  writer_.thread(stream.id);
  uint64_t chunk = writer_.chunk();
  const uint64_t* looked = at;
  UsualBlock* block =
      at != end && (*at & kTagMask) == kBlockTag ? definitions.usual(*at >> kTagBits) : nullptr;
  while (block != nullptr &&
         static_cast<size_t>(end - at) > std::max<size_t>(block->words, kWordsAtOnce) + 1) {
    if (at >= looked) looked = look_ahead(definitions, at, end);
    // The word behind must show that there is no more: it begins a block, or is a number.
    const uint64_t next = at[block->words + 1];
    const uint64_t tag = next & kTagMask;
    if (tag != kBlockTag && tag != kHeadTag && tag != kEventTag) break;
    UsualBlock* following = nullptr;
    if (tag == kBlockTag) {
      following = definitions.usual(next >> kTagBits);
      // One that has no such form may be a further iteration of this one's last instruction.
      if (following == nullptr && repeats(definitions, next >> kTagBits)) break;
    }
    if (!again_.has_room(*block)) {
      write_again();
      chunk = writer_.chunk();
    }
    if (!read_usual(*block, at + 1, again_.addresses.data() + again_.accesses)) break;
    again_.add(*block);
    if (block->chunk != chunk) {
      write_again();
      chunk = writer_.chunk();
    }
    at += block->words + 1;
    block = following;
  }
  write_again();
  stream.read += static_cast<uint64_t>(at - first);
}

// Brings what is known of the blocks that come next into the caches, since large programs have more
// than those hold. One block's place depends on the one before when they are read; here it does
// not, so that many are fetched at the same time.
const uint64_t* Collector::look_ahead(const Definitions& definitions, const uint64_t* at,
                                      const uint64_t* end) {
  constexpr size_t kWords = 256;
  std::array<uint64_t, kWords + 1> numbers;
  size_t count = 0;
  end = at + std::min<size_t>(kWords, static_cast<size_t>(end - at));
  for (; at != end; ++at) {
    numbers[count] = *at >> kTagBits;
    count += (*at & kTagMask) == kBlockTag ? 1 : 0;
  }
  for (size_t i = 0; i < count; ++i)
    definitions.prefetch(numbers[i]);
  for (size_t i = 0; i < count; ++i)
    __builtin_prefetch(definitions.usual(numbers[i]));
  return end;
}

void Collector::write_again() {
  const size_t count = std::exchange(again_.count, 0);
  const size_t accesses = std::exchange(again_.accesses, 0);
  if (count == 0) return;
  UsualBlock& last = *again_.blocks[count - 1];
  const bool known = last.chunk == writer_.chunk();
  const size_t written = known ? count : count - 1;
  const size_t told = known ? accesses : accesses - last.accesses;
  const uint64_t* addresses = again_.addresses.data();
  size_t next = 0;
  if (writer_.again({again_.numbers.data(), written}, {addresses, told})) {
    next = written;
    addresses += told;
  }
  // What may not fit in the chunk any more, and what has no number in it yet.
  for (; next < count; ++next) {
    UsualBlock& block = *again_.blocks[next];
    trace::KnownBlock& piece = block.shape->pieces.front();
    writer_.block(piece, addresses);
    block.chunk = piece.chunk;
    block.number = piece.number;
    addresses += block.accesses;
  }
}

void Collector::one_word(Stream& stream, uint64_t word) {
  if (stream.sized_word != 0) {
    const uint64_t sized = std::exchange(stream.sized_word, 0);
    if ((sized & kTagMask) == kFaultTag) {
      fault(stream, word);
      return;
    }
    if ((sized & kTagMask) == kWindowTag) {
      add_window(stream, word, index_of(sized), sized_is_store(sized));
      return;
    }
    const AccessKind kind = sized_is_store(sized) ? AccessKind::Store : AccessKind::Load;
    stream.plain = false;
    add_access(stream, word,
               {static_cast<uint16_t>(index_of(sized)), static_cast<uint16_t>(kind),
                static_cast<uint32_t>(sized_bytes(sized))});
    return;
  }
  const uint64_t tag = word & kTagMask;
  if (tag <= kMostMemoryTag) {
    if (stream.plain) stream.words.push_back(static_cast<uint16_t>(word));
    add_access(stream, address_of(word), access_of(word));
    return;
  }
  switch (tag) {
    case kBlockTag:
      begin_block(stream, word >> kTagBits);
      return;
    case kSizedTag:
    case kWindowTag:
    case kFaultTag:
      stream.sized_word = word;
      return;
    case kCutTag:
      cut_block(stream, index_of(word));
      return;
    case kHeadTag:
      end_block(stream);
      stream.at_number = true;
      stream.is_event = false;
      stream.number = word >> kTagBits;
      return;
    case kEventTag:
      // The number behind it is there as soon as it is.
      end_block(stream);
      stream.at_number = true;
      stream.is_event = true;
      stream.kind = static_cast<EventKind>(index_of(word));
      stream.event_size = word >> kAddressShift;
      stream.number = words(stream.ring)[stream.read++ & kRingMask];
      stream.event.clear();
      fill_event(stream);
      return;
    default:
      ++counts_.lost_words;
  }
}

void Collector::fill_event(Stream& stream) {
  const uint64_t* const ring = words(stream.ring);
  while (stream.event.size() < stream.event_size && stream.read != stream.there)
    stream.event.push_back(ring[stream.read++ & kRingMask]);
}

void Collector::begin_block(Stream& stream, uint64_t number) {
  if (stream.process == nullptr) return;
  Definition* definition = stream.process->definitions.find(number);
  if (definition == nullptr) {
    read_definitions(*stream.process);
    definition = stream.process->definitions.find(number);
  }
  if (definition == nullptr) {
    end_block(stream);
    ++counts_.lost_words;
    return;
  }
  constexpr size_t kRoomForIteration = 8;
  if ((definition->flags & kRepeats) != 0 && stream.block != nullptr &&
      stream.block->last_instruction() == definition->start &&
      stream.accesses.size() + kRoomForIteration < trace::kMaxMemOps) {
    ++counts_.repeats;
    stream.index_base = stream.block->lengths.size() - 1;
    stream.joins = false;
    stream.plain = false;
    return;
  }
  end_block(stream);
  stream.block = definition;
  stream.block_number = number;
}

void Collector::add_access(Stream& stream, uint64_t address, Access access) {
  if (stream.block == nullptr) return;
  const uint64_t instruction = access.instruction + stream.index_base;
  if (instruction >= stream.block->lengths.size() || access.bytes == 0) {
    ++counts_.lost_words;
    return;
  }
  access.instruction = static_cast<uint16_t>(instruction);
  if (stream.joins) {
    Access& last = stream.accesses.back();
    const Join join = join_of(last, stream.addresses.back(), access, address);
    if (join == Join::Longer) last.bytes += access.bytes;
    if (join == Join::Modify) last.kind = static_cast<uint16_t>(AccessKind::Modify);
    if (join != Join::None) return;
  }
  while (access.bytes != 0) {
    Access piece = access;
    piece.bytes = std::min<uint32_t>(access.bytes, trace::kMaxAccessBytes);
    stream.accesses.push_back(piece);
    stream.addresses.push_back(address);
    address += piece.bytes;
    access.bytes -= piece.bytes;
  }
  stream.joins = true;
}

// The shape of what the block has just done; it becomes the usual one.
Shape& Collector::shape_of(Stream& stream) {
  Definition& definition = *stream.block;
  const auto found =
      std::find_if(definition.shapes.begin(), definition.shapes.end(), [&](const Shape& known) {
        return known.plain == stream.plain && known.accesses == stream.accesses &&
               (!known.plain || known.words == stream.words);
      });
  const bool kept = found != definition.shapes.end() || definition.shapes.size() < kMostShapes;
  if (found == definition.shapes.end()) {
    Shape& shape = kept ? definition.shapes.emplace_back() : passing_;
    cut(definition, stream.accesses, shape);
    shape.plain = stream.plain;
    shape.words = stream.words;
    if (!kept) return shape;
    shape.make_usual();
    again_.make_room(shape.words.size());
    found_usual(stream, shape);
    return shape;
  }
  found_usual(stream, *found);
  return *found;
}

void Collector::found_usual(Stream& stream, Shape& shape) {
  if ((stream.block->flags & kRepeats) == 0)
    stream.process->definitions.set_usual(stream.block_number, shape.as_usual());
}

void Collector::write(Shape& shape, const uint64_t* addresses) {
  for (trace::KnownBlock& piece : shape.pieces) {
    writer_.block(piece, addresses);
    addresses += piece.block.mem_ops;
  }
}

void Collector::end_block(Stream& stream) {
  if (stream.block == nullptr) return;
  if (!stream.ended) {
    writer_.thread(stream.id);
    write(shape_of(stream), stream.addresses.data());
  }
  forget_block(stream);
}

void Collector::cut_block(Stream& stream, size_t instructions) {
  if (stream.block == nullptr) return;
  while (!stream.accesses.empty() && stream.accesses.back().instruction >= instructions) {
    stream.accesses.pop_back();
    stream.addresses.pop_back();
  }
  if (!stream.ended) {
    writer_.thread(stream.id);
    cut(*stream.block, stream.accesses, passing_, instructions);
    write(passing_, stream.addresses.data());
  }
  forget_block(stream);
}

// A repeated instruction has done some of its iterations, and stays. A block that has done more
// than what comes before the address has not been left there: the exception is of what should have
// come next.
void Collector::fault(Stream& stream, uint64_t address) {
  if (stream.block == nullptr || stream.index_base != 0 || (stream.block->flags & kRepeats) != 0)
    return;
  uint64_t at = stream.block->start;
  for (size_t i = 0; i < stream.block->lengths.size(); at += stream.block->lengths[i++]) {
    if (at != address) continue;
    if (stream.accesses.empty() || stream.accesses.back().instruction <= i) cut_block(stream, i);
    return;
  }
}

// Each register by itself, as the kernel's handlers do it.
void Collector::add_window(Stream& stream, uint64_t address, uint64_t instruction, bool store) {
  constexpr unsigned kRegisters = 16;
  constexpr uint32_t kBytes = 8;
  if (stream.block == nullptr || instruction >= stream.block->lengths.size()) {
    ++counts_.lost_words;
    return;
  }
  ++counts_.windows;
  const AccessKind kind = store ? AccessKind::Store : AccessKind::Load;
  for (unsigned i = 0; i < kRegisters; ++i) {
    stream.accesses.push_back(
        {static_cast<uint16_t>(instruction), static_cast<uint16_t>(kind), kBytes});
    stream.addresses.push_back(address + uint64_t{kBytes} * i);
  }
  stream.joins = false;
  stream.plain = false;
}

void Collector::forget_block(Stream& stream) {
  stream.block = nullptr;
  stream.index_base = 0;
  stream.joins = false;
  stream.plain = true;
  stream.words.clear();
  stream.accesses.clear();
  stream.addresses.clear();
}

void Collector::read_definitions(Process& process) {
  if (process.definitions_ring == kNoRing) return;
  RingHead& ring = head(process.definitions_ring);
  const uint64_t there = ring.written.load();
  if (process.definitions_read == there) return;
  const uint64_t* const from = words(process.definitions_ring);
  consumed_ += there - process.definitions_read;
  std::vector<uint64_t>& pending = process.definition_words;
  while (process.definitions_read != there)
    pending.push_back(from[process.definitions_read++ & kRingMask]);
  size_t used = 0;
  while (const size_t count = process.definitions.add(std::span(pending).subspan(used)))
    used += count;
  pending.erase(pending.begin(), pending.begin() + static_cast<std::ptrdiff_t>(used));
  give_room(ring, there);
}

}  // namespace mmusim::record
