#include "trace/reader.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <fcntl.h>
#include <future>
#include <sys/stat.h>
#include <system_error>
#include <tuple>
#include <unistd.h>
#include <utility>
#include <zstd.h>

#include "trace/batches_ahead.h"
#include "trace/chunk_decoder.h"
#include "trace/compared_chunks.h"
#include "trace/format.h"
#include "trace/page_comparer.h"
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
  [[nodiscard]] int descriptor() const { return fd_; }
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

// Takes compressed streams of chunks out of a file, with memory of its own to do it in.
class StreamInput {
 public:
  // `file` must outlive it.
  explicit StreamInput(const InputFile& file) : file_(file), context_(ZSTD_createDCtx()) {
    MMUSIM_ASSERT(context_ != nullptr);
  }

  // Lives until the next call.
  std::span<const uint8_t> read(uint64_t at, uint64_t bytes) {
    const auto into = compressed_.get(bytes);
    file_.read(at, into);
    return into;
  }
  // One stream of the chunk at `place`. Version 1 has a checksum for all together only.
  std::span<const uint8_t> read_stream(uint64_t at, const StreamSizes& sizes, const Place& place) {
    const auto bytes = read(at, sizes.compressed);
    check(bytes, sizes, place);
    return bytes;
  }
  static void check(std::span<const uint8_t> compressed, const StreamSizes& sizes,
                    const Place& place) {
    if (hash_bytes(compressed) != sizes.hash)
      damaged(place, "the checksum of the chunk does not match");
  }
  // `into` has room for the padding, too.
  std::span<const uint8_t> decompress(std::span<const uint8_t> from, const StreamSizes& sizes,
                                      std::span<uint8_t> into, const char* name,
                                      const Place& place) {
    const size_t got =
        ZSTD_decompressDCtx(context_.get(), into.data(), sizes.raw, from.data(), from.size());
    if (ZSTD_isError(got) != 0 || got != sizes.raw) {
      damaged(place, fmt::format("the {} cannot be decompressed: {}", name,
                                 ZSTD_isError(got) != 0 ? ZSTD_getErrorName(got) : "too short"));
    }
    std::fill_n(into.data() + got, RawStreams::kPadding, uint8_t{0});
    return into.first(got);
  }

 private:
  const InputFile& file_;
  std::unique_ptr<ZSTD_DCtx, FreeDecompressor> context_;
  Scratch compressed_;
};

// The columns of a chunk: uncompressed, and a decoder for them.
class Columns {
 public:
  // `file` must outlive it.
  explicit Columns(const InputFile& file) : input_(file) {}

  // Errors: those of a damaged chunk.
  void read(const ChunkHeader& chunk, uint64_t payload_at, uint32_t version, const Place& place) {
    start(chunk, payload_at, version, place);
    while (step(chunk, version, place)) {
    }
  }
  // The same in steps, of a stream each; false: it is done.
  void start(const ChunkHeader& chunk, uint64_t payload_at, uint32_t version, const Place& place) {
    payload_ = input_.read(payload_at, chunk.columns_bytes());
    if (version == 1 && hash_bytes(payload_) != chunk.payload_hash)
      damaged(place, "the checksum of the chunk does not match");
    room_ = raw_.get(chunk.raw_bytes() + kStreams * RawStreams::kPadding);
    done_ = 0;
  }
  bool step(const ChunkHeader& chunk, uint32_t version, const Place& place) {
    if (done_ == kStreams) {
      if (hash_of_streams(streams_.streams, chunk.coding) != chunk.raw_hash)
        damaged(place, "the checksum of the chunk's content does not match");
      return false;
    }
    const StreamSizes& sizes = chunk.streams[done_];
    const auto source = payload_.first(sizes.compressed);
    if (version != 1) StreamInput::check(source, sizes, place);
    streams_.streams[done_] =
        input_.decompress(source, sizes, room_, name_of(static_cast<Stream>(done_)), place);
    payload_ = payload_.subspan(sizes.compressed);
    room_ = room_.subspan(sizes.raw + RawStreams::kPadding);
    ++done_;
    return true;
  }
  // Begins them, or begins them again. REQUIRES: read() of the same chunk.
  void open(const ChunkHeader& chunk, const Place& place) { decoder_.open(chunk, streams_, place); }

  [[nodiscard]] const RawStreams& streams() const { return streams_; }
  [[nodiscard]] ChunkDecoder& decoder() { return decoder_; }

 private:
  StreamInput input_;
  Scratch raw_;
  std::span<const uint8_t> payload_;  // of streams that are to be read
  std::span<uint8_t> room_;           // for these
  size_t done_ = 0;                   // streams
  RawStreams streams_;
  ChunkDecoder decoder_;
};

}  // namespace

class Reader::Impl {
 public:
  Impl(std::string path, const ReaderOptions& options)
      : file_(std::move(path)),
        input_(file_),
        compared_(FileState::of(file_.descriptor())),
        columns_{{Columns(file_), Columns(file_)}},
        may_read_ahead_(options.read_ahead),
        keeps_tables_(options.keeps_tables) {
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
    in_a_row_ = true;
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
    ahead_of_chunk_.stop();
    in_chunk_ = false;
    return open_chunk();
  }
  [[nodiscard]] References offers(References which) const {
    const bool has = which == References::Any ? chunk_.has_returns() : chunk_.has_pages();
    return has ? which : References::All;
  }
  [[nodiscard]] const Totals& chunk_totals() const { return chunk_.totals; }
  // Digests and checksums are no more than what the file says of itself.
  void believe_page_streams() {
    if (!believed_ && !compared_.has(number_)) compare_with_columns(false);
    believed_ = true;
  }
  void begin(References which) {
    ahead_of_chunk_.stop();
    given_ = offers(which);
    if (given_ != References::All) believe_page_streams();
    read_chunk();
    if (given_ == References::All) decode_ahead();
    if (!passed_) pass_chunk();
    in_chunk_ = true;
  }
  void pass() {
    ahead_of_chunk_.stop();
    if (!passed_) pass_chunk();
  }
  bool next_of_chunk(Batch& batch) {
    return given_ == References::All ? next_of_columns(batch) : pages_.next(batch);
  }

  bool prepare_next();

  [[nodiscard]] uint64_t chunks_read() const { return next_chunk_; }
  [[nodiscard]] const std::string& path() const { return file_.path(); }

  bool next_columns(Batch& batch) {
    MMUSIM_ASSERT(in_chunk_ && given_ != References::All);
    if (!columns_begun_) open_columns();
    while (columns().decoder().next(batch))
      if (batch.event == nullptr) return true;
    return false;
  }

  void compare_page_streams() {
    if (chunk_.has_pages()) compare_with_columns(true);
    pass_chunk();
  }

  bool next_stored(StoredChunk& chunk) {
    if (!open_chunk()) return false;
    open_columns();
    chunk = {.place = place_, .header = chunk_, .payload = {}, .raw = columns().streams()};
    PageSpans sound;
    read_page_streams(sound, true);
    chunk.payload = input_.read(payload_at_, chunk_.payload_bytes());
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
  [[nodiscard]] PageStreamChunks page_stream_chunks() const {
    PageStreamChunks count;
    for (const ChunkInfo& info : chunks_) {
      const ChunkHeader chunk = read_chunk_header(info.offset).first;
      count.for_sets += chunk.has_pages() ? 1 : 0;
      count.for_any += chunk.has_returns() ? 1 : 0;
    }
    return count;
  }
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
  [[nodiscard]] std::pair<ChunkHeader, Place> read_chunk_header(uint64_t at) const;
  void read_chunk();
  [[nodiscard]] Columns& columns() { return columns_[at_]; }
  bool next_of_columns(Batch& batch) {
    return ahead_of_chunk_.started() ? ahead_of_chunk_.next(batch)
                                     : columns().decoder().next(batch);
  }
  void open_columns();
  bool take_ahead();
  bool take_prepared();
  void read_ahead();
  void decode_ahead();
  using PageSpans = std::array<std::span<const uint8_t>, kPageStreams>;
  void read_page_streams(PageSpans& streams, bool returns);
  void compare_with_columns(bool sums);
  void add_chunk(const IndexEntry& entry) {
    entries_.push_back(entry);
    chunks_.push_back({entry.offset, entry.bytes, entry.raw_bytes, entry.totals});
  }

  InputFile file_;
  StreamInput input_;  // of page streams
  ComparedChunks compared_;
  Header header_;
  uint32_t version_ = 0;
  uint64_t header_hash_ = 0;
  std::vector<IndexEntry> entries_;
  std::vector<ChunkInfo> chunks_;
  bool torn_ = false;

  uint64_t position_ = 0;  // of the next chunk
  size_t next_chunk_ = 0;
  bool in_chunk_ = false;
  bool passed_ = true;  // position_ is behind the chunk being read
  References given_ = References::All;

  // The chunk being read.
  size_t number_ = 0;
  bool believed_ = false;       // its page streams say what its columns say
  bool columns_read_ = false;   // its columns are uncompressed, and whole
  bool columns_begun_ = false;  // ... and being decoded
  Place place_;
  ChunkHeader chunk_;
  uint64_t payload_at_ = 0;
  Scratch raw_pages_;
  std::vector<uint8_t> control_;
  PageDecoder pages_;
  PageComparer comparer_;
  // Of this chunk in columns_[at_]. In the other ones those of the next chunk may be made ready by
  // another thread meanwhile: of the chunk that begins at ahead_of_, once ahead_ is there.
  std::array<Columns, 2> columns_;
  size_t at_ = 0;
  bool may_read_ahead_;
  bool keeps_tables_;
  // With that, a chunk whose columns are being made ready in the other columns_.
  struct Prepared {
    uint64_t offset = 0;  // 0: none
    ChunkHeader chunk;
    Place place;
    bool done = false;
    std::exception_ptr failure;
  };
  Prepared prepared_;
  bool in_a_row_ = false;     // all chunks' columns will be
  uint64_t columns_end_ = 0;  // of the chunk whose columns were the last begun
  uint64_t ahead_of_ = 0;
  std::future<void> ahead_;      // it is waited for before what it uses goes
  BatchesAhead ahead_of_chunk_;  // likewise: batches of this one
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

std::pair<ChunkHeader, Place> Reader::Impl::read_chunk_header(uint64_t at) const {
  std::array<uint8_t, std::max(chunk_header_bytes(1), ChunkHeader::kBytes)> bytes;
  const auto used = std::span(bytes).first(chunk_header_bytes(version_));
  file_.read(at, used);
  const Place place{file_.path(), at};
  return {decode_chunk_header(used, version_, place), place};
}

// Reads the next chunk's header; false at the end of the trace, or of what is left of it.
bool Reader::Impl::open_chunk() {
  if (!torn_ && next_chunk_ == entries_.size()) {
    position_ = file_.bytes();
    compared_.keep();
    return false;
  }
  number_ = next_chunk_;
  passed_ = false;
  believed_ = columns_read_ = columns_begun_ = false;
  const uint64_t left = file_.bytes() - position_;
  const size_t size = chunk_header_bytes(version_);
  if (torn_) {
    // A chunk, or the index that a torn trailer should follow.
    std::array<uint8_t, sizeof(uint32_t)> bytes{};
    if (left >= bytes.size()) file_.read(position_, bytes);
    const auto magic = std::bit_cast<uint32_t>(bytes);
    if (left < size || magic == kIndexMagic) return false;
  }
  std::tie(chunk_, place_) = read_chunk_header(position_);
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
  passed_ = true;
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
  const auto from = input_.read_stream(
      payload_at_ + chunk_.streams[static_cast<size_t>(Stream::Dictionary)].compressed, sizes,
      place_);
  control_.resize(sizes.raw + RawStreams::kPadding);
  const auto control = input_.decompress(from, sizes, control_, name_of(Stream::Control), place_);
  pages_.open(chunk_, control, pages, given_ == References::Any, place_);
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
    streams[i] = input_.decompress(input_.read_stream(at, sizes, place_), sizes, into,
                                   name_of(static_cast<PageStream>(i)), place_);
    at += sizes.compressed;
    into = into.subspan(sizes.raw + RawStreams::kPadding);
  }
}

void Reader::Impl::compare_with_columns(bool sums) {
  open_columns();
  decode_ahead();
  PageSpans there;
  read_page_streams(there, true);
  const auto control = columns().streams().streams[static_cast<size_t>(Stream::Control)];
  comparer_.open(chunk_, control, there, sums, place_);
  bool same = true;
  for (Batch batch; same && next_of_columns(batch);)
    same = comparer_.take(batch);
  ahead_of_chunk_.stop();
  if (!same || !comparer_.finish())
    damaged(place_, "the page streams are at odds with the columns",
            "trace prepare makes them anew; run.stream = full does without");
  compared_.add(number_);
}

void Reader::Impl::open_columns() {
  const bool in_a_row = in_a_row_ || place_.offset == columns_end_;
  if (columns_read_ || !(keeps_tables_ ? take_prepared() : take_ahead())) {
    if (!columns_read_ && keeps_tables_) at_ = 1 - at_;
    if (!columns_read_) columns().read(chunk_, payload_at_, version_, place_);
    columns().open(chunk_, place_);
  }
  columns_read_ = columns_begun_ = true;
  columns_end_ = payload_at_ + chunk_.payload_bytes();
  if (in_a_row) read_ahead();
}

// Whether this chunk's columns are ready, and opened. Errors: what was wrong with them.
bool Reader::Impl::take_ahead() {
  if (!ahead_.valid() || ahead_of_ != place_.offset) return false;
  ahead_.get();
  at_ = 1 - at_;
  return true;
}

bool Reader::Impl::prepare_next() {
  MMUSIM_ASSERT(keeps_tables_);
  if (torn_ || next_chunk_ == entries_.size()) return false;
  Columns& other = columns_[1 - at_];
  try {
    if (prepared_.offset != columns_end_) {
      prepared_ = {.offset = columns_end_, .chunk = {}, .place = {}, .done = false, .failure = {}};
      std::tie(prepared_.chunk, prepared_.place) = read_chunk_header(columns_end_);
      other.start(prepared_.chunk, columns_end_ + chunk_header_bytes(version_), version_,
                  prepared_.place);
      return true;
    }
    if (prepared_.done || prepared_.failure != nullptr) return false;
    if (other.step(prepared_.chunk, version_, prepared_.place)) return true;
    other.open(prepared_.chunk, prepared_.place);
    prepared_.done = true;
  } catch (...) {
    prepared_.failure = std::current_exception();
  }
  return false;
}

// As take_ahead(); what was begun of it is done to its end.
bool Reader::Impl::take_prepared() {
  if (prepared_.offset == 0 || prepared_.offset != place_.offset) return false;
  while (prepare_next()) {
  }
  at_ = 1 - at_;
  prepared_.offset = 0;
  if (prepared_.failure != nullptr) std::rethrow_exception(prepared_.failure);
  return true;
}

// Who reads columns of one chunk after the other will want the next one's. What is wrong with them
// is said where they are taken, if they are.
void Reader::Impl::read_ahead() {
  if (!may_read_ahead_ || keeps_tables_ || torn_) return;
  const uint64_t at = columns_end_;
  const size_t next = in_chunk_ ? next_chunk_ : next_chunk_ + 1;
  if (next == entries_.size() || (ahead_.valid() && ahead_of_ == at)) return;
  if (ahead_.valid()) ahead_.wait();
  ahead_of_ = at;
  try {
    ahead_ = std::async(std::launch::async, [this, at, &into = columns_[1 - at_]] {
      const auto [chunk, place] = read_chunk_header(at);
      into.read(chunk, at + chunk_header_bytes(version_), version_, place);
      into.open(chunk, place);
    });
  } catch (const std::system_error&) {  // the host has no thread to give
    may_read_ahead_ = false;
  }
}

// For short chunks it does not pay.
void Reader::Impl::decode_ahead() {
  constexpr uint64_t kShort = 64 * ChunkDecoder::kBatchBlocks;
  if (!may_read_ahead_ || chunk_.totals.blocks < kShort) return;
  try {
    ahead_of_chunk_.start(columns().decoder());
  } catch (const std::system_error&) {
    may_read_ahead_ = false;
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
void Reader::believe_page_streams() {
  impl_->believe_page_streams();
}
bool Reader::prepare_next() {
  return impl_->prepare_next();
}
void Reader::pass() {
  impl_->pass();
}
void Reader::compare_page_streams() {
  impl_->compare_page_streams();
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
PageStreamChunks Reader::page_stream_chunks() const {
  return impl_->page_stream_chunks();
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
