#include "trace/writer.h"

#include <algorithm>
#include <utility>
#include <zstd.h>

#include "base/output_file.h"
#include "trace/chunk_encoder.h"
#include "trace/format.h"

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

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

}  // namespace

class Writer::Impl {
 public:
  Impl(std::string path, const Header& header, const WriterOptions& options)
      : options_(options), file_(std::move(path)), context_(ZSTD_createCCtx()) {
    MMUSIM_ASSERT(context_ != nullptr);
    options_.chunk_bytes = std::clamp(options_.chunk_bytes, kSmallestChunk, kLargestChunk);
    ByteBuffer out;
    encode_header(out, header);
    header_hash_ = hash_bytes(out.bytes());
    file_.write(out.data(), out.size());
  }

  void thread(ThreadId thread) {
    if (has_thread_ && thread == thread_) return;
    end_block();
    thread_ = thread;
    has_thread_ = true;
    encoder_.thread(thread);
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

  void event(const Event& event) {
    MMUSIM_ASSERT(has_thread_);
    end_block();
    encoder_.event(event);
    close_chunk_if_full();
  }

  void finish() {
    end_block();
    if (!encoder_.empty()) write_chunk();
    ByteBuffer out;
    encode_index(out, file_.bytes_written(), header_hash_, index_);
    file_.write(out.data(), out.size());
    file_.commit();
  }

  [[nodiscard]] Totals totals() const {
    Totals all = written_;
    return all += encoder_.totals();
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
    encoder_.block(block, hash_ ^ (hash_ >> 32), addresses_.data());
    instructions_ = 0;
    mem_ops_ = 0;
    close_chunk_if_full();
  }

  void split_block();
  [[nodiscard]] uint64_t content_hash() const;

  void close_chunk_if_full() {
    if (encoder_.full(options_.chunk_bytes)) write_chunk();
  }

  void write_chunk();

  WriterOptions options_;
  OutputFile file_;
  std::unique_ptr<ZSTD_CCtx, FreeContext> context_;
  uint64_t header_hash_ = 0;
  std::vector<IndexEntry> index_;
  ChunkEncoder encoder_;
  Totals written_;  // in the chunks before
  ByteBuffer compressed_;

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

// What the incremental hash of the block being made would be.
uint64_t Writer::Impl::content_hash() const {
  uint64_t hash = mix(0, start_);
  unsigned op = 0;
  for (unsigned i = 0; i < instructions_; ++i) {
    hash = mix(hash, lengths_[i]);
    for (; op < mem_ops_ && ops_[op].instruction == i; ++op)
      hash = mix(hash, mix_word(ops_[op]));
  }
  return hash;
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
  encoder_.close();
  ChunkHeader header;
  header.totals = encoder_.totals();
  header.static_blocks = encoder_.static_blocks();
  StreamHasher raw_hash;
  compressed_.clear();
  for (size_t i = 0; i < kStreams; ++i) {
    const auto raw = encoder_.stream(static_cast<Stream>(i));
    raw_hash.add(raw);
    compressed_.reserve(ZSTD_compressBound(raw.size()));
    const size_t size =
        ZSTD_compressCCtx(context_.get(), compressed_.end(), ZSTD_compressBound(raw.size()),
                          raw.data(), raw.size(), options_.zstd_level);
    if (ZSTD_isError(size) != 0) {
      throw Error(file_.path(), fmt::format("cannot compress: {}", ZSTD_getErrorName(size)));
    }
    compressed_.set_end(compressed_.end() + size);
    header.streams[i] = {static_cast<uint32_t>(raw.size()), static_cast<uint32_t>(size)};
  }
  header.raw_hash = raw_hash.digest();
  header.payload_hash = hash_bytes(compressed_.bytes());

  IndexEntry entry;
  entry.offset = file_.bytes_written();
  entry.bytes = ChunkHeader::kBytes + compressed_.size();
  entry.raw_bytes = header.raw_bytes();
  entry.totals = header.totals;
  entry.raw_hash = header.raw_hash;
  index_.push_back(entry);
  written_ += header.totals;

  ByteBuffer head;
  encode_chunk_header(head, header);
  file_.write(head.data(), head.size());
  file_.write(compressed_.data(), compressed_.size());
  encoder_.clear();
  if (has_thread_) encoder_.thread(thread_);
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
void Writer::event(const Event& event) {
  impl_->event(event);
}
void Writer::finish() {
  impl_->finish();
}
Totals Writer::totals() const {
  return impl_->totals();
}
uint64_t Writer::bytes_written() const {
  return impl_->bytes_written();
}

}  // namespace mmusim::trace
