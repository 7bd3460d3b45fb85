// The outer shape of a trace container: file header, chunk headers, index and trailer, and the
// limits of all of them. The prose is in README.md; what is inside a chunk is in chunk_encoder.h
// and chunk_decoder.h.
#ifndef MMUSIM_TRACE_FORMAT_H_
#define MMUSIM_TRACE_FORMAT_H_

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "trace/bytes.h"
#include "trace/record.h"

namespace mmusim::trace {

inline constexpr uint32_t kFormatVersion = 3;  // what is written; 1 and 2 are read as well

// The first byte is not ASCII and a line end of each kind follows, so that a file sent through
// something that takes it for text is not mistaken for a trace.
inline constexpr std::array<uint8_t, 8> kFileMagic = {0xcd, 'M', 'M', 'T', '\r', '\n', 0x1a, '\n'};
inline constexpr std::array<uint8_t, 8> kTrailerMagic = {0xcd, 'M', 'M', 'T', 'e', 'n', 'd', '\n'};
inline constexpr uint32_t kChunkMagic = 0x4b4e4843;  // "CHNK"
inline constexpr uint32_t kIndexMagic = 0x58444e49;  // "INDX"

// Limits. A reader refuses what exceeds them, so that its memory is bounded whatever a file says;
// the writer keeps to them.
inline constexpr uint64_t kMaxHeaderBytes = uint64_t{1} << 20;
inline constexpr uint64_t kMaxChunkBytes = uint64_t{64} << 20;     // all streams, uncompressed
inline constexpr uint64_t kMaxBlocksPerChunk = uint64_t{1} << 24;  // block records
inline constexpr uint64_t kMaxEventsPerChunk = uint64_t{1} << 22;
inline constexpr uint64_t kMaxStaticBlocks = uint64_t{1} << 20;   // per chunk
inline constexpr uint64_t kMaxStaticOps = uint64_t{1} << 22;      // per chunk
inline constexpr uint64_t kMaxStaticLengths = uint64_t{1} << 23;  // instructions, per chunk
inline constexpr uint64_t kMaxEventBytes = uint64_t{8} << 20;
inline constexpr uint64_t kMaxTextBytes = uint64_t{1} << 20;  // one string of an event
inline constexpr uint64_t kMaxListItems = uint64_t{1} << 16;  // arguments, areas of an exec

// The streams of a chunk that say all of it, each its own zstd frame.
enum class Stream : uint8_t { Dictionary, Control, Blocks, Widths, Differences };
inline constexpr size_t kStreams = 5;
const char* name_of(Stream stream);

// Those beside them, which say again what can matter to a first-level TLB (page_stream.h).
enum class PageStream : uint8_t { Runs, Pages, Returns };
inline constexpr size_t kPageStreams = 3;
const char* name_of(PageStream stream);
// Behind each uncompressed stream, so many bytes may be read.
inline constexpr size_t kStreamPadding = 32;
inline constexpr uint64_t kMaxPageStreamBytes = uint64_t{64} << 20;  // uncompressed, of a chunk

// Items of the control stream are events, by their kind, and this one: the thread changes.
inline constexpr uint8_t kThreadItem = 0xff;

// Block numbers take two bytes each in a chunk of at most so many static blocks, else four.
inline constexpr uint32_t kMaxShortNumbers = uint32_t{1} << 16;
constexpr size_t block_number_bytes(uint64_t static_blocks) {
  return static_blocks <= kMaxShortNumbers ? 2 : 4;
}

// Differences between addresses are stored in 0 to 8 bytes with this added, so that all that fit
// are non-negative: -128 is the byte 0, 127 the byte 255.
inline constexpr unsigned kMaxDifferenceBytes = 8;
constexpr uint64_t difference_bias(unsigned bytes) {
  return bytes == 0 ? 0 : uint64_t{1} << (8 * bytes - 1);
}

// How a chunk's differences are stored.
enum class DifferenceCoding : uint8_t {
  InOrder,  // of accesses
  ByWidth,  // those of one byte before those of two, and so on
  Repeats,  // the same, and one that is among the last few stored is not stored again
};
// In the place of a width: the difference is the one stored last, or up to three before it.
inline constexpr unsigned kRepeatCode = 12;
inline constexpr unsigned kRepeatable = 4;

// First addresses of static accesses are told as differences from one of a few that were told
// before, since programs touch a few regions in turn.
class FirstAddresses {
 public:
  static constexpr unsigned kBases = 4;
  // The base from which `address` is the least way.
  [[nodiscard]] unsigned nearest(uint64_t address) const;
  [[nodiscard]] uint64_t base(unsigned which) const { return bases_[which]; }
  // `address` was told from `which`: it is a base from now on, instead of that one if it is near,
  // else of the one not used for longest.
  void told(unsigned which, uint64_t address);

 private:
  static constexpr uint64_t kNear = uint64_t{1} << 24;
  std::array<uint64_t, kBases> bases_{};
  std::array<uint64_t, kBases> used_{};
  uint64_t now_ = 0;
};

struct StreamSizes {
  uint32_t raw = 0;
  uint32_t compressed = 0;
  uint64_t hash = 0;  // XXH3-64 of the compressed bytes; version 1 has none
};

// Sums over references, by which page streams and columns are held together (page_stream.h).
struct PageDigests {
  uint64_t all = 0;
  uint64_t left_out = 0;       // by what is kept for sets
  uint64_t left_out_last = 0;  // by what is kept for any first level
  bool operator==(const PageDigests&) const = default;
};

// How many bytes a chunk's header has in a file of that version.
constexpr size_t chunk_header_bytes(uint32_t version) {
  constexpr size_t kCommon = 4 + 4 + size_t{6} * 8 + 8 + 8;  // of every version
  return version == 1 ? kCommon + size_t{kStreams} * 8 + 8
                      : kCommon + (kStreams + kPageStreams) * size_t{16} + size_t{3} * 8 + 8;
}

struct ChunkHeader {
  static constexpr size_t kBytes = chunk_header_bytes(kFormatVersion);

  Totals totals;
  uint32_t static_blocks = 0;
  DifferenceCoding coding = DifferenceCoding::Repeats;
  std::array<StreamSizes, kStreams> streams{};
  std::array<StreamSizes, kPageStreams> page_streams{};  // empty: there are none
  PageDigests digests;
  uint64_t raw_hash = 0;      // XXH3-64 of the uncompressed streams, in order, and of coding
  uint64_t payload_hash = 0;  // version 1: XXH3-64 of the compressed streams, in order

  [[nodiscard]] uint64_t columns_bytes() const;  // compressed
  [[nodiscard]] uint64_t payload_bytes() const;  // with page streams
  [[nodiscard]] uint64_t raw_bytes() const;      // without
  // Whether what is kept for sets is there; and with what any first level needs besides.
  [[nodiscard]] bool has_pages() const { return page_streams[0].compressed != 0; }
  [[nodiscard]] bool has_returns() const { return page_streams[2].compressed != 0; }
};

// One chunk as the index has it.
struct IndexEntry {
  static constexpr size_t kBytes = 3 * 8 + 6 * 8 + 8;
  uint64_t offset = 0;
  uint64_t bytes = 0;  // header and payload
  uint64_t raw_bytes = 0;
  Totals totals;
  uint64_t raw_hash = 0;
  bool operator==(const IndexEntry&) const = default;
};

inline constexpr size_t kPrefixBytes = 8 + 4 + 4;       // magic, version, bytes of the body
inline constexpr size_t kTrailerBytes = 8 + 8 + 8 + 8;  // index offset, bytes, hash; magic
inline constexpr size_t kIndexFixedBytes = 4 + 4 + 8;   // magic, zero, header hash

uint64_t hash_bytes(std::span<const uint8_t> bytes);  // XXH3-64

// A chunk's ChunkHeader::raw_hash.
uint64_t hash_of_streams(std::span<const std::span<const uint8_t>> streams,
                         DifferenceCoding coding);

// Each encode_* appends; each decode_* checks everything it can alone.
void encode_header(ByteBuffer& out, const Header& header);
// `bytes` is all of the header, prefix and hash included.
Header decode_header(std::span<const uint8_t> bytes, const Place& place);
// Checks magic and version of the prefix, and gives the size of the whole header.
uint64_t header_bytes(std::span<const uint8_t> prefix, const Place& place);
// REQUIRES: header_bytes() has taken it.
uint32_t version_of(std::span<const uint8_t> prefix);
// What a trace's identity knows its header by, whatever the version of its file.
uint64_t identity_of(const Header& header);

void encode_chunk_header(ByteBuffer& out, const ChunkHeader& header);
// REQUIRES: chunk_header_bytes(version) bytes.
ChunkHeader decode_chunk_header(std::span<const uint8_t> bytes, uint32_t version,
                                const Place& place);

void encode_index(ByteBuffer& out, uint64_t index_offset, uint64_t header_hash,
                  std::span<const IndexEntry> entries);  // and trailer
// `bytes` is the index without the trailer.
std::vector<IndexEntry> decode_index(std::span<const uint8_t> bytes, const Place& place,
                                     uint64_t header_hash, uint64_t first_chunk);

// 32 hex digits. See Reader::content_hash(). `header`: identity_of() it.
std::string content_hash(uint64_t header, std::span<const IndexEntry> entries);

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_FORMAT_H_
