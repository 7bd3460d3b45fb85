#include "trace/writer.h"

#include <algorithm>
#include <utility>

#include "base/output_file.h"
#include "trace/chunk_encoder.h"
#include "trace/chunk_packer.h"
#include "trace/compared_chunks.h"
#include "trace/format.h"
#include "trace/page_packer.h"

namespace mmusim::trace {
namespace {

// Odd, so that multiplication loses nothing; the high half is mixed down where the hash is used,
// since low bits of a product depend on low bits only.
constexpr uint64_t kMultiplier = 0x9e3779b97f4a7c15u;

constexpr uint64_t mix(uint64_t hash, uint64_t value) {
  return (hash ^ value) * kMultiplier;
}

constexpr uint64_t mix_word(const MemOp& op) {
  return uint64_t{op.instruction} << 32 | uint64_t{op.bytes} << 8 | static_cast<uint64_t>(op.kind);
}

constexpr uint64_t kSmallestChunk = 256;
// A chunk may exceed this by one record, and by the growth of all block numbers from two bytes to
// four, and must stay below the format's limit.
constexpr uint64_t kLargestChunk = uint64_t{24} << 20;
static_assert(2 * kLargestChunk + 2 * kMaxEventBytes <= kMaxChunkBytes);

// What the incremental hash of the block being made ends as.
constexpr uint64_t finished(uint64_t hash) {
  return hash ^ (hash >> 32);
}

// What it is for a whole one.
uint64_t incremental_hash(uint64_t start, std::span<const uint8_t> lengths,
                          std::span<const MemOp> ops) {
  uint64_t hash = mix(0, start);
  size_t op = 0;
  for (size_t i = 0; i < lengths.size(); ++i) {
    hash = mix(hash, lengths[i]);
    for (; op < ops.size() && ops[op].instruction == i; ++op)
      hash = mix(hash, mix_word(ops[op]));
  }
  return hash;
}

}  // namespace

uint64_t hash_of(const StaticBlock& block) {
  return finished(incremental_hash(block.start.value(), {block.lengths, block.instructions},
                                   {block.ops, block.mem_ops}));
}

class Writer::Impl {
 public:
  Impl(std::string path, const Header& header, const WriterOptions& options)
      : options_(options),
        file_(std::move(path), options.keep_partial ? OutputFile::Unfinished::Kept
                                                    : OutputFile::Unfinished::Removed),
        packer_({options.zstd_level, options.pages.value_or(page_choice_of(header.isa)),
                 options.page_percent},
                options.compressors),
        allowance_(options.page_percent),
        encoder_(packer_.make_encoder()) {
    options_.chunk_bytes = std::clamp(options_.chunk_bytes, kSmallestChunk, kLargestChunk);
    ByteBuffer out;
    encode_header(out, header);
    header_hash_ = hash_bytes(out.bytes());
    file_.write(out.data(), out.size());
    if (options_.keep_partial) file_.flush();
  }

  [[nodiscard]] std::vector<MarkerEvent> told_behind(const Event& event) const {
    if (options_.told_behind == nullptr) return {};
    return (*options_.told_behind)(event);
  }

  void thread(ThreadId thread) {
    if (has_thread_ && thread == thread_) return;
    end_block();
    thread_ = thread;
    has_thread_ = true;
    encoder_->thread(thread);
  }

  void instruction(VirtAddr address, unsigned bytes) {
    const uint64_t at = address.value();
    if (at != next_ || instructions_ == kMaxInstructions || (at & kPageMask) != page_ ||
        instructions_ == 0) {
      begin_block(at);
    }
    MMUSIM_ASSERT(bytes - 1 < kMaxInstructionBytes);
    lengths_[instructions_++] = static_cast<uint8_t>(bytes);
    next_ = at + bytes;
    hash_ = mix(hash_, bytes);
  }

  void access(AccessKind kind, VirtAddr address, unsigned bytes) {
    MMUSIM_ASSERT(instructions_ != 0 && kind != AccessKind::Fetch && bytes - 1 < kMaxAccessBytes);
    while (mem_ops_ == kMaxMemOps)
      split_block();  // twice if one instruction has them all
    const MemOp op{static_cast<uint8_t>(instructions_ - 1), kind, static_cast<uint16_t>(bytes)};
    ops_[mem_ops_] = op;
    addresses_[mem_ops_++] = address.value();
    hash_ = mix(hash_, mix_word(op));
  }

  void block(KnownBlock& known, const uint64_t* addresses) {
    MMUSIM_ASSERT(has_thread_);
    if (instructions_ != 0) end_block();
    if (known.chunk == chunk_) {
      encoder_->again({&known.number, 1}, {addresses, known.block.mem_ops});
    } else {
      known.number = encoder_->block(known.block, known.hash, addresses);
      known.chunk = chunk_;
    }
    close_chunk_if_full();
  }

  [[nodiscard]] uint64_t chunk() const { return chunk_; }

  bool again(std::span<const uint32_t> numbers, std::span<const uint64_t> addresses) {
    if (instructions_ != 0 ||
        !encoder_->has_room(options_.chunk_bytes, numbers.size(), addresses.size()))
      return false;
    encoder_->again(numbers, addresses);
    return true;
  }

  void event(const Event& event) {
    MMUSIM_ASSERT(has_thread_);
    end_block();
    encoder_->event(event);
    close_chunk_if_full();
  }

  void finish() {
    end_block();
    if (!encoder_->empty()) write_chunk();
    while (PackedChunk* chunk = packer_.next(true))
      append(*chunk);
    ByteBuffer out;
    encode_index(out, file_.bytes_written(), header_hash_, index_);
    file_.write(out.data(), out.size());
    commit_compared(file_, has_pages_ ? index_.size() : 0);
  }

  void abandon() { file_.abandon(); }

  [[nodiscard]] Totals totals() const {
    Totals all = written_;
    return all += encoder_->totals();
  }
  [[nodiscard]] bool has_instructions() const {
    return instructions_ != 0 || totals().instructions != 0;
  }
  [[nodiscard]] uint64_t bytes_written() const { return file_.bytes_written(); }

 private:
  static constexpr uint64_t kPageMask = ~kBlockPage.offset_mask();

  void begin_block(uint64_t at) {
    MMUSIM_ASSERT(has_thread_);
    end_block();
    start_ = at;
    page_ = at & kPageMask;
    hash_ = mix(0, at);
  }

  void end_block() {
    if (instructions_ == 0) return;
    const uint64_t bytes = next_ - start_;
    if (next_ - 1 < start_) {
      throw Error(
          file_.path(),
          fmt::format("instructions at {:#x} wrap around the end of the address space", start_));
    }
    const StaticBlock block{VirtAddr(start_),
                            static_cast<uint32_t>(bytes),
                            static_cast<uint8_t>(instructions_),
                            static_cast<uint8_t>(mem_ops_),
                            ((next_ - 1) & kPageMask) != page_,
                            lengths_.data(),
                            ops_.data()};
    encoder_->block(block, finished(hash_), addresses_.data());
    instructions_ = 0;
    mem_ops_ = 0;
    close_chunk_if_full();
  }

  void split_block();
  [[nodiscard]] uint64_t content_hash() const;

  void close_chunk_if_full() {
    if (encoder_->full(options_.chunk_bytes)) write_chunk();
  }

  void write_chunk();
  void append(PackedChunk& chunk);

  WriterOptions options_;
  OutputFile file_;
  ChunkPacker packer_;
  PageAllowance allowance_;
  uint64_t header_hash_ = 0;
  std::vector<IndexEntry> index_;
  bool has_pages_ = false;  // some chunk
  std::unique_ptr<ChunkEncoder> encoder_;
  uint64_t chunk_ = 1;  // the number of the chunk being made
  Totals written_;      // in the chunks before

  ThreadId thread_{};
  bool has_thread_ = false;

  // The block being made.
  uint64_t start_ = 0;
  uint64_t next_ = 0;
  uint64_t page_ = 0;
  uint64_t hash_ = 0;
  unsigned instructions_ = 0;
  unsigned mem_ops_ = 0;
  std::array<uint8_t, kMaxInstructions> lengths_{};
  std::array<MemOp, kMaxMemOps> ops_{};
  std::array<uint64_t, kMaxMemOps> addresses_{};
};

uint64_t Writer::Impl::content_hash() const {
  return incremental_hash(start_, {lengths_.data(), instructions_}, {ops_.data(), mem_ops_});
}

// The block has no room for one more access. Its last instruction moves, with its accesses, to a
// block of its own. If it is alone already, it is executed again there, as an interrupted string
// instruction is.
void Writer::Impl::split_block() {
  const unsigned last = instructions_ - 1;
  const uint8_t length = lengths_[last];
  const uint64_t at = next_ - length;
  unsigned kept = mem_ops_;
  while (last != 0 && kept != 0 && ops_[kept - 1].instruction == last)
    --kept;
  const unsigned moved = mem_ops_ - kept;
  std::array<MemOp, kMaxMemOps> ops;
  std::array<uint64_t, kMaxMemOps> addresses;
  std::copy_n(ops_.begin() + kept, moved, ops.begin());
  std::copy_n(addresses_.begin() + kept, moved, addresses.begin());

  if (last != 0) {
    instructions_ = last;
    next_ = at;
    mem_ops_ = kept;
    hash_ = content_hash();
  }
  begin_block(at);
  lengths_[0] = length;
  instructions_ = 1;
  next_ = at + length;
  std::copy_n(ops.begin(), moved, ops_.begin());
  std::copy_n(addresses.begin(), moved, addresses_.begin());
  for (unsigned i = 0; i < moved; ++i)
    ops_[i].instruction = 0;
  mem_ops_ = moved;
  hash_ = content_hash();
}

void Writer::Impl::write_chunk() {
  written_ += encoder_->totals();
  packer_.give(encoder_);
  ++chunk_;
  if (has_thread_) encoder_->thread(thread_);
  while (PackedChunk* chunk = packer_.next(false))
    append(*chunk);
}

void Writer::Impl::append(PackedChunk& chunk) {
  allowance_.trim(chunk.header, chunk.payload);
  has_pages_ = has_pages_ || chunk.header.has_pages();
  IndexEntry entry;
  entry.offset = file_.bytes_written();
  entry.bytes = ChunkHeader::kBytes + chunk.payload.size();
  entry.raw_bytes = chunk.header.raw_bytes();
  entry.totals = chunk.header.totals;
  entry.raw_hash = chunk.header.raw_hash;
  index_.push_back(entry);

  ByteBuffer head;
  encode_chunk_header(head, chunk.header);
  file_.write(head.data(), head.size());
  file_.write(chunk.payload.data(), chunk.payload.size());
  if (options_.keep_partial) file_.flush();
}

Writer::Writer(std::string path, const Header& header, const WriterOptions& options)
    : impl_(std::make_unique<Impl>(std::move(path), header, options)) {}
Writer::~Writer() = default;
Writer::Writer(Writer&&) noexcept = default;
Writer& Writer::operator=(Writer&&) noexcept = default;

void Writer::thread(ThreadId thread) {
  impl_->thread(thread);
}
void Writer::instruction(VirtAddr address, unsigned bytes) {
  impl_->instruction(address, bytes);
}
void Writer::access(AccessKind kind, VirtAddr address, unsigned bytes) {
  impl_->access(kind, address, bytes);
}
void Writer::block(KnownBlock& block, const uint64_t* addresses) {
  impl_->block(block, addresses);
}
uint64_t Writer::chunk() const {
  return impl_->chunk();
}
bool Writer::again(std::span<const uint32_t> numbers, std::span<const uint64_t> addresses) {
  return impl_->again(numbers, addresses);
}
void Writer::event(const Event& event) {
  impl_->event(event);
  for (const MarkerEvent& marker : impl_->told_behind(event))
    impl_->event(marker);
}
void Writer::finish() {
  impl_->finish();
}
void Writer::abandon() {
  impl_->abandon();
}
Totals Writer::totals() const {
  return impl_->totals();
}
bool Writer::has_instructions() const {
  return impl_->has_instructions();
}
uint64_t Writer::bytes_written() const {
  return impl_->bytes_written();
}

}  // namespace mmusim::trace
