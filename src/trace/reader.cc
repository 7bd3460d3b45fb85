#include "trace/reader.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <zstd.h>

#include "trace/chunk_decoder.h"
#include "trace/format.h"

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

// A buffer that grows and is not cleared when it does.
class Scratch {
 public:
  std::span<uint8_t> get(size_t bytes) {
    if (bytes > capacity_) {
      data_.reset();
      data_ = std::make_unique_for_overwrite<uint8_t[]>(bytes);
      capacity_ = bytes;
    }
    return {data_.get(), bytes};
  }

 private:
  std::unique_ptr<uint8_t[]> data_;
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
      if (in_chunk_ && decoder_.next(batch)) return true;
      in_chunk_ = false;
      if (!open_chunk()) {
        batch = Batch{};
        return false;
      }
      in_chunk_ = true;
    }
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
    return trace::content_hash(header_hash_, entries_);
  }

 private:
  void read_header();
  bool read_index();
  bool open_chunk();
  void read_chunk(const ChunkHeader& header);
  void add_chunk(const IndexEntry& entry) {
    entries_.push_back(entry);
    chunks_.push_back({entry.offset, entry.bytes, entry.raw_bytes, entry.totals});
  }

  InputFile file_;
  std::unique_ptr<ZSTD_DCtx, FreeDecompressor> context_;
  Header header_;
  uint64_t header_hash_ = 0;
  std::vector<IndexEntry> entries_;
  std::vector<ChunkInfo> chunks_;
  bool torn_ = false;

  uint64_t position_ = 0;  // of the next chunk
  size_t next_chunk_ = 0;
  bool in_chunk_ = false;
  Scratch compressed_;
  Scratch raw_;
  ChunkDecoder decoder_;
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

// Reads the next chunk into the decoder; false at the end of the trace, or of what is left of it.
bool Reader::Impl::open_chunk() {
  if (!torn_ && next_chunk_ == entries_.size()) {
    position_ = file_.bytes();
    return false;
  }
  const Place place{file_.path(), position_};
  const uint64_t left = file_.bytes() - position_;
  std::array<uint8_t, ChunkHeader::kBytes> bytes;
  if (torn_) {
    // A chunk, or the index that a torn trailer should follow.
    uint32_t magic = 0;
    if (left >= sizeof magic) {
      file_.read(position_, std::span(bytes).first(sizeof magic));
      std::memcpy(&magic, bytes.data(), sizeof magic);
    }
    if (left < ChunkHeader::kBytes || magic == kIndexMagic) return false;
  }
  file_.read(position_, bytes);
  const ChunkHeader header = decode_chunk_header(bytes, place);
  IndexEntry entry;
  entry.offset = position_;
  entry.bytes = ChunkHeader::kBytes + header.payload_bytes();
  entry.raw_bytes = header.raw_bytes();
  entry.totals = header.totals;
  entry.raw_hash = header.raw_hash;
  if (torn_) {
    if (entry.bytes > left) return false;
    add_chunk(entry);
  } else if (!(entry == entries_[next_chunk_])) {
    damaged(place, "the chunk is not the one the index names");
  }
  read_chunk(header);
  position_ += entry.bytes;
  ++next_chunk_;
  return true;
}

void Reader::Impl::read_chunk(const ChunkHeader& header) {
  const Place place{file_.path(), position_};
  const auto payload = compressed_.get(header.payload_bytes());
  file_.read(position_ + ChunkHeader::kBytes, payload);
  if (hash_bytes(payload) != header.payload_hash) {
    damaged(place, "the checksum of the chunk does not match");
  }
  const auto raw = raw_.get(header.raw_bytes() + kStreams * RawStreams::kPadding);
  RawStreams streams;
  StreamHasher hasher;
  size_t from = 0;
  size_t to = 0;
  for (size_t i = 0; i < kStreams; ++i) {
    const auto into = raw.subspan(to, header.streams[i].raw);
    const auto source = payload.subspan(from, header.streams[i].compressed);
    const size_t got =
        ZSTD_decompressDCtx(context_.get(), into.data(), into.size(), source.data(), source.size());
    if (ZSTD_isError(got) != 0 || got != into.size()) {
      damaged(place,
              fmt::format("the {} cannot be decompressed: {}", name_of(static_cast<Stream>(i)),
                          ZSTD_isError(got) != 0 ? ZSTD_getErrorName(got) : "too short"));
    }
    std::fill_n(into.data() + into.size(), RawStreams::kPadding, uint8_t{0});
    streams.streams[i] = into;
    hasher.add(into);
    from += source.size();
    to += into.size() + RawStreams::kPadding;
  }
  if (hasher.digest() != header.raw_hash) {
    damaged(place, "the checksum of the chunk's content does not match");
  }
  decoder_.open(header, streams, place);
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
