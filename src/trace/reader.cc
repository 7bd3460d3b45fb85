#include "trace/reader.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <zstd.h>

#include "trace/chunk_decoder.h"
#include "trace/format.h"
#include "trace/page_stream.h"
#include "trace/stored_chunk.h"

namespace mmusim::trace {
namespace {

constexpr const char* kTornAdvice =
    "the recording was cut short; --accept-torn reads what is there";

struct FreeDecompressor {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

// A file read by offset.
class InputFile {
 public:
  explicit InputFile(std::string path) : path_(std::move(path)) {
    fd_ = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd_ < 0) throw Error(path_, fmt::format("cannot open: {}", std::strerror(errno)));
    struct stat status {};
    if (fstat(fd_, &status) != 0 || !S_ISREG(status.st_mode)) {
      close(fd_);
      throw Error(path_, "not a regular file", "a trace is read from its end first");
    }
    bytes_ = static_cast<uint64_t>(status.st_size);
  }
  ~InputFile() { close(fd_); }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  // REQUIRES: offset + into.size() <= bytes(), unless the file shrinks, which is an Error.
  void read(uint64_t offset, std::span<uint8_t> into) const {
    while (!into.empty()) {
      const ssize_t got = pread(fd_, into.data(), into.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw Error(path_, fmt::format("cannot read: {}", std::strerror(errno)));
      if (got == 0) damaged({path_, offset}, "the file has become shorter while being read");
      into = into.subspan(static_cast<size_t>(got));
      offset += static_cast<uint64_t>(got);
    }
  }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
  int fd_ = -1;
  uint64_t bytes_ = 0;
};

// A buffer that grows and is not cleared when it does. By powers of two, so that chunks that are a
// little larger each do not make the host map new memory each time; it has only what was used. In
// huge pages of the host's, where it has some to give: a chunk is tens of MiB, and decoding one
// faulted for a third of its time on each page it wrote (README.md).
class Scratch {
 public:
  std::span<uint8_t> get(size_t bytes) {
    if (bytes > capacity_) {
      data_.reset();
      capacity_ = 0;
      const size_t capacity = std::max(std::bit_ceil(bytes), kHugePage);
      data_ = large_bytes(capacity);
      capacity_ = capacity;
    }
    return {data_.get(), bytes};
  }

 private:
  LargeBytes data_;
  size_t capacity_ = 0;
};

}  // namespace

class Reader::Impl {
 public:
  Impl(std::string path, const ReaderOptions& options)
      : file_(std::move(path)), context_(ZSTD_createDCtx()) {
    MMUSIM_ASSERT(context_ != nullptr);
    read_header();
    if (!read_index()) {
      if (!options.accept_torn) {
        damaged({file_.path(), file_.bytes()}, "the index at the end of the trace is missing",
                kTornAdvice);
      }
      torn_ = true;
    }
  }

  bool next(Batch& batch) {
    for (;;) {
      if (in_chunk_ && next_of_chunk(batch)) return true;
      if (!next_chunk()) {
        batch = Batch{};
        return false;
      }
      begin(References::All);
    }
  }

  bool next_chunk() {
    in_chunk_ = false;
    return open_chunk();
  }
  [[nodiscard]] References offers(References which) const {
    const bool has = which == References::Any ? chunk_.has_returns() : chunk_.has_pages();
    return has ? which : References::All;
  }
  [[nodiscard]] const Totals& chunk_totals() const { return chunk_.totals; }
  void begin(References which) {
    given_ = offers(which);
    read_chunk();
    if (!in_chunk_) pass_chunk();
    in_chunk_ = true;
  }
  bool next_of_chunk(Batch& batch) {
    return given_ == References::All ? decoder_.next(batch) : pages_.next(batch);
  }

  [[nodiscard]] uint64_t chunks_read() const { return next_chunk_; }
  [[nodiscard]] const std::string& path() const { return file_.path(); }

  bool next_columns(Batch& batch) {
    MMUSIM_ASSERT(in_chunk_ && given_ != References::All);
    if (!columns_begun_) open_columns();
    while (decoder_.next(batch))
      if (batch.event == nullptr) return true;
    return false;
  }

  bool next_stored(StoredChunk& chunk) {
    if (!open_chunk()) return false;
    open_columns();
    chunk = {.place = place_, .header = chunk_, .payload = {}, .raw = streams_, .pages = {}};
    read_page_streams(chunk.pages, true);
    const auto payload = compressed_.get(chunk_.payload_bytes());
    file_.read(payload_at_, payload);
    chunk.payload = payload;
    pass_chunk();
    return true;
  }

  // The events at a chunk's end have the number of the next one's first instruction.
  uint64_t skip_to(uint64_t instruction) {
    MMUSIM_ASSERT(next_chunk_ == 0 && !in_chunk_);
    uint64_t passed = 0;
    for (; next_chunk_ < entries_.size(); ++next_chunk_) {
      const IndexEntry& entry = entries_[next_chunk_];
      if (instruction <= passed || entry.totals.instructions >= instruction - passed) break;
      passed += entry.totals.instructions;
      position_ = entry.offset + entry.bytes;
    }
    return passed;
  }

  [[nodiscard]] const Header& header() const { return header_; }
  [[nodiscard]] std::optional<Totals> totals() const {
    if (torn_) return std::nullopt;
    Totals all;
    for (const ChunkInfo& chunk : chunks_)
      all += chunk.totals;
    return all;
  }
  [[nodiscard]] const std::vector<ChunkInfo>& chunks() const { return chunks_; }
  [[nodiscard]] bool torn() const { return torn_; }
  [[nodiscard]] uint64_t position() const { return position_; }
  [[nodiscard]] uint64_t file_bytes() const { return file_.bytes(); }
  [[nodiscard]] std::string content_hash() const {
    return trace::content_hash(identity_of(header_), entries_);
  }

 private:
  void read_header();
  bool read_index();
  bool open_chunk();
  void pass_chunk();
  void read_chunk();
  void read_columns();
  void open_columns();
  using PageSpans = std::array<std::span<const uint8_t>, kPageStreams>;
  void read_page_streams(PageSpans& streams, bool returns);
  std::span<const uint8_t> read_compressed(uint64_t at, const StreamSizes& sizes);
  std::span<const uint8_t> decompress(std::span<const uint8_t> from, const StreamSizes& sizes,
                                      std::span<uint8_t> into, const char* name);
  void add_chunk(const IndexEntry& entry) {
    entries_.push_back(entry);
    chunks_.push_back({entry.offset, entry.bytes, entry.raw_bytes, entry.totals});
  }

  InputFile file_;
  std::unique_ptr<ZSTD_DCtx, FreeDecompressor> context_;
  Header header_;
  uint32_t version_ = 0;
  uint64_t header_hash_ = 0;
  std::vector<IndexEntry> entries_;
  std::vector<ChunkInfo> chunks_;
  bool torn_ = false;

  uint64_t position_ = 0;  // of the next chunk
  size_t next_chunk_ = 0;
  bool in_chunk_ = false;
  References given_ = References::All;

  // The chunk being read.
  bool columns_read_ = false;   // its columns are uncompressed, and whole
  bool columns_begun_ = false;  // ... and being decoded
  Place place_;
  ChunkHeader chunk_;
  uint64_t payload_at_ = 0;
  RawStreams streams_;
  Scratch compressed_;
  Scratch raw_;
  Scratch raw_pages_;
  std::vector<uint8_t> control_;
  ChunkDecoder decoder_;
  PageDecoder pages_;
};

void Reader::Impl::read_header() {
  const Place place{file_.path(), 0};
  std::vector<uint8_t> bytes(std::min<uint64_t>(kPrefixBytes, file_.bytes()));
  file_.read(0, bytes);
  if (bytes.empty()) throw Error(file_.path() + ": byte 0", "the file is empty");
  const uint64_t size = header_bytes(bytes, place);
  if (size > file_.bytes()) {
    damaged({file_.path(), file_.bytes()}, "the trace ends within its file header");
  }
  bytes.resize(size);
  file_.read(0, bytes);
  header_ = decode_header(bytes, place);
  version_ = version_of(bytes);
  header_hash_ = hash_bytes(bytes);
  position_ = size;
}

// False if there is none; an index that is there and wrong is an Error.
bool Reader::Impl::read_index() {
  if (file_.bytes() < position_ + kIndexFixedBytes + kTrailerBytes) return false;
  const uint64_t trailer_at = file_.bytes() - kTrailerBytes;
  std::array<uint8_t, kTrailerBytes> trailer;
  file_.read(trailer_at, trailer);
  const Place trailer_place{file_.path(), trailer_at};
  ByteReader in(trailer, trailer_place, "trailer");
  const auto offset = in.fixed<uint64_t>();
  const auto bytes = in.fixed<uint64_t>();
  const auto hash = in.fixed<uint64_t>();
  const auto magic = in.take(kTrailerMagic.size());
  if (!std::equal(magic.begin(), magic.end(), kTrailerMagic.begin())) return false;
  if (offset < position_ || offset > trailer_at || bytes != trailer_at - offset ||
      bytes < kIndexFixedBytes) {
    damaged(trailer_place, "the trailer points to no index");
  }
  const Place place{file_.path(), offset};
  std::vector<uint8_t> index(bytes);
  file_.read(offset, index);
  if (hash_bytes(index) != hash) damaged(place, "the checksum of the index does not match");
  for (const IndexEntry& entry : decode_index(index, place, header_hash_, position_)) {
    add_chunk(entry);
  }
  return true;
}

// Reads the next chunk's header; false at the end of the trace, or of what is left of it.
bool Reader::Impl::open_chunk() {
  if (!torn_ && next_chunk_ == entries_.size()) {
    position_ = file_.bytes();
    return false;
  }
  columns_read_ = columns_begun_ = false;
  place_ = {file_.path(), position_};
  const uint64_t left = file_.bytes() - position_;
  const size_t size = chunk_header_bytes(version_);
  std::array<uint8_t, std::max(chunk_header_bytes(1), ChunkHeader::kBytes)> bytes;
  if (torn_) {
    // A chunk, or the index that a torn trailer should follow.
    uint32_t magic = 0;
    if (left >= sizeof magic) {
      file_.read(position_, std::span(bytes).first(sizeof magic));
      std::memcpy(&magic, bytes.data(), sizeof magic);
    }
    if (left < size || magic == kIndexMagic) return false;
  }
  file_.read(position_, std::span(bytes).first(size));
  chunk_ = decode_chunk_header(std::span(bytes).first(size), version_, place_);
  payload_at_ = position_ + size;
  IndexEntry entry;
  entry.offset = position_;
  entry.bytes = size + chunk_.payload_bytes();
  entry.raw_bytes = chunk_.raw_bytes();
  entry.totals = chunk_.totals;
  entry.raw_hash = chunk_.raw_hash;
  if (torn_) {
    if (entry.bytes > left) return false;
    add_chunk(entry);
  } else if (!(entry == entries_[next_chunk_])) {
    damaged(place_, "the chunk is not the one the index names");
  }
  return true;
}

void Reader::Impl::pass_chunk() {
  position_ = payload_at_ + chunk_.payload_bytes();
  ++next_chunk_;
}

// Opens the decoder that gives what was chosen of the chunk.
void Reader::Impl::read_chunk() {
  columns_begun_ = false;
  if (given_ == References::All) {
    open_columns();
    return;
  }
  PageSpans pages;
  read_page_streams(pages, given_ == References::Any);
  // The control stream stands behind the dictionary.
  const StreamSizes& sizes = chunk_.streams[static_cast<size_t>(Stream::Control)];
  const auto from = read_compressed(
      payload_at_ + chunk_.streams[static_cast<size_t>(Stream::Dictionary)].compressed, sizes);
  control_.resize(sizes.raw + RawStreams::kPadding);
  const auto control = decompress(from, sizes, control_, name_of(Stream::Control));
  pages_.open(chunk_, control, pages, given_ == References::Any, place_);
}

// One stream of the chunk. Version 1 has a checksum for all together only.
std::span<const uint8_t> Reader::Impl::read_compressed(uint64_t at, const StreamSizes& sizes) {
  const auto bytes = compressed_.get(sizes.compressed);
  file_.read(at, bytes);
  if (hash_bytes(bytes) != sizes.hash) damaged(place_, "the checksum of the chunk does not match");
  return bytes;
}

// `into` has room for the padding, too.
std::span<const uint8_t> Reader::Impl::decompress(std::span<const uint8_t> from,
                                                  const StreamSizes& sizes, std::span<uint8_t> into,
                                                  const char* name) {
  const size_t got =
      ZSTD_decompressDCtx(context_.get(), into.data(), sizes.raw, from.data(), from.size());
  if (ZSTD_isError(got) != 0 || got != sizes.raw) {
    damaged(place_, fmt::format("the {} cannot be decompressed: {}", name,
                                ZSTD_isError(got) != 0 ? ZSTD_getErrorName(got) : "too short"));
  }
  std::fill_n(into.data() + got, RawStreams::kPadding, uint8_t{0});
  return into.first(got);
}

// Those the chunk has; what stands for returns only if they are wanted.
void Reader::Impl::read_page_streams(PageSpans& streams, bool returns) {
  uint64_t at = payload_at_ + chunk_.columns_bytes();
  size_t bytes = 0;
  for (const StreamSizes& sizes : chunk_.page_streams)
    bytes += sizes.raw + RawStreams::kPadding;
  auto into = raw_pages_.get(bytes);
  for (size_t i = 0; i < kPageStreams; ++i) {
    const StreamSizes& sizes = chunk_.page_streams[i];
    if (sizes.compressed == 0 || (i == static_cast<size_t>(PageStream::Returns) && !returns)) break;
    streams[i] =
        decompress(read_compressed(at, sizes), sizes, into, name_of(static_cast<PageStream>(i)));
    at += sizes.compressed;
    into = into.subspan(sizes.raw + RawStreams::kPadding);
  }
}

void Reader::Impl::open_columns() {
  if (!columns_read_) read_columns();
  columns_read_ = true;
  decoder_.open(chunk_, streams_, place_);
  columns_begun_ = true;
}

void Reader::Impl::read_columns() {
  const auto payload = compressed_.get(chunk_.columns_bytes());
  file_.read(payload_at_, payload);
  if (version_ == 1 && hash_bytes(payload) != chunk_.payload_hash)
    damaged(place_, "the checksum of the chunk does not match");
  const auto raw = raw_.get(chunk_.raw_bytes() + kStreams * RawStreams::kPadding);
  size_t from = 0;
  size_t to = 0;
  for (size_t i = 0; i < kStreams; ++i) {
    const StreamSizes& sizes = chunk_.streams[i];
    const auto source = payload.subspan(from, sizes.compressed);
    if (version_ != 1 && hash_bytes(source) != sizes.hash)
      damaged(place_, "the checksum of the chunk does not match");
    const auto into = decompress(source, sizes, raw.subspan(to), name_of(static_cast<Stream>(i)));
    streams_.streams[i] = into;
    from += sizes.compressed;
    to += sizes.raw + RawStreams::kPadding;
  }
  if (hash_of_streams(streams_.streams, chunk_.coding) != chunk_.raw_hash) {
    damaged(place_, "the checksum of the chunk's content does not match");
  }
}

Reader::Reader(std::string path, const ReaderOptions& options)
    : impl_(std::make_unique<Impl>(std::move(path), options)) {}
Reader::~Reader() = default;
Reader::Reader(Reader&&) noexcept = default;
Reader& Reader::operator=(Reader&&) noexcept = default;

const Header& Reader::header() const {
  return impl_->header();
}
bool Reader::next(Batch& batch) {
  return impl_->next(batch);
}
bool Reader::next_chunk() {
  return impl_->next_chunk();
}
References Reader::offers(References which) const {
  return impl_->offers(which);
}
const Totals& Reader::chunk_totals() const {
  return impl_->chunk_totals();
}
void Reader::begin(References which) {
  impl_->begin(which);
}
bool Reader::next_of_chunk(Batch& batch) {
  return impl_->next_of_chunk(batch);
}
uint64_t Reader::chunks_read() const {
  return impl_->chunks_read();
}
const std::string& Reader::path() const {
  return impl_->path();
}
bool Reader::next_columns(Batch& batch) {
  return impl_->next_columns(batch);
}
bool Reader::next_stored(StoredChunk& chunk) {
  return impl_->next_stored(chunk);
}
uint64_t Reader::skip_to(uint64_t instruction) {
  return impl_->skip_to(instruction);
}
std::optional<Totals> Reader::totals() const {
  return impl_->totals();
}
const std::vector<ChunkInfo>& Reader::chunks() const {
  return impl_->chunks();
}
bool Reader::torn() const {
  return impl_->torn();
}
uint64_t Reader::position() const {
  return impl_->position();
}
uint64_t Reader::file_bytes() const {
  return impl_->file_bytes();
}
std::string Reader::content_hash() const {
  return impl_->content_hash();
}

}  // namespace mmusim::trace
