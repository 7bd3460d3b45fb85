#include "trace/format.h"

#include <algorithm>

// The library's own types are opaque otherwise, and inlining makes short hashes fast.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace mmusim::trace {
namespace {

constexpr uint64_t kMaxHeaderText = uint64_t{256} * 1024;

void encode_totals(ByteBuffer& out, const Totals& totals) {
  out.fixed(totals.instructions);
  out.fixed(totals.blocks);
  out.fixed(totals.loads);
  out.fixed(totals.stores);
  out.fixed(totals.modifies);
  out.fixed(totals.events);
}

Totals decode_totals(ByteReader& in) {
  Totals totals;
  totals.instructions = in.fixed<uint64_t>();
  totals.blocks = in.fixed<uint64_t>();
  totals.loads = in.fixed<uint64_t>();
  totals.stores = in.fixed<uint64_t>();
  totals.modifies = in.fixed<uint64_t>();
  totals.events = in.fixed<uint64_t>();
  return totals;
}

// Sums over many chunks cannot overflow once each is within these.
void check_totals(const Totals& totals, const ByteReader& in) {
  const uint64_t most_ops = kMaxBlocksPerChunk * kMaxMemOps;
  if (totals.blocks > kMaxBlocksPerChunk || totals.events > kMaxEventsPerChunk ||
      totals.instructions > totals.blocks * kMaxInstructions || totals.loads > most_ops ||
      totals.stores > most_ops || totals.modifies > most_ops ||
      totals.data_accesses() > totals.blocks * kMaxMemOps) {
    in.fail("the record counts of a chunk are impossible");
  }
}

}  // namespace

const char* name_of(Stream stream) {
  static constexpr const char* kNames[] = {"block dictionary", "control stream", "block stream",
                                           "stream of address widths",
                                           "stream of address differences"};
  static_assert(std::size(kNames) == kStreams);
  return kNames[static_cast<size_t>(stream)];
}

const char* name_of(PageStream stream) {
  static constexpr const char* kNames[] = {"stream of runs", "page stream", "stream of returns"};
  static_assert(std::size(kNames) == kPageStreams);
  return kNames[static_cast<size_t>(stream)];
}

namespace {
uint64_t distance(uint64_t a, uint64_t b) {
  const uint64_t difference = a - b;
  return std::min(difference, 0 - difference);
}
}  // namespace

unsigned FirstAddresses::nearest(uint64_t address) const {
  unsigned best = 0;
  for (unsigned i = 1; i < kBases; ++i) {
    if (distance(address, bases_[i]) < distance(address, bases_[best])) best = i;
  }
  return best;
}

void FirstAddresses::told(unsigned which, uint64_t address) {
  unsigned replaced = which;
  if (distance(address, bases_[which]) >= kNear) {
    for (unsigned i = 0; i < kBases; ++i) {
      if (used_[i] < used_[replaced]) replaced = i;
    }
  }
  bases_[replaced] = address;
  used_[replaced] = ++now_;
}

uint64_t ChunkHeader::columns_bytes() const {
  uint64_t sum = 0;
  for (const StreamSizes& stream : streams)
    sum += stream.compressed;
  return sum;
}

uint64_t ChunkHeader::payload_bytes() const {
  uint64_t sum = columns_bytes();
  for (const StreamSizes& stream : page_streams)
    sum += stream.compressed;
  return sum;
}

uint64_t ChunkHeader::raw_bytes() const {
  uint64_t sum = 0;
  for (const StreamSizes& stream : streams)
    sum += stream.raw;
  return sum;
}

uint64_t hash_bytes(std::span<const uint8_t> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

uint64_t hash_of_streams(std::span<const std::span<const uint8_t>> streams,
                         DifferenceCoding coding) {
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  for (const auto stream : streams)
    if (!stream.empty()) XXH3_64bits_update(&state, stream.data(), stream.size());
  const auto byte = static_cast<uint8_t>(coding);
  if (coding != DifferenceCoding::InOrder) XXH3_64bits_update(&state, &byte, 1);
  return XXH3_64bits_digest(&state);
}

namespace {

void encode_header(ByteBuffer& out, const Header& header, uint32_t version) {
  for (const std::string* text : {&header.isa, &header.program, &header.recorder, &header.notes}) {
    if (text->size() > kMaxHeaderText) {
      throw Error("trace header", fmt::format("a text of {} bytes is too long", text->size()),
                  fmt::format("the limit is {}", kMaxHeaderText));
    }
  }
  ByteBuffer body;
  body.text(header.isa);
  body.byte(header.big_endian ? 1 : 0);
  body.byte(static_cast<uint8_t>(header.page.log2()));
  body.text(header.program);
  body.text(header.recorder);
  body.text(header.notes);
  out.append(kFileMagic.data(), kFileMagic.size());
  out.fixed(version);
  out.fixed(static_cast<uint32_t>(body.size()));
  out.append(body.data(), body.size());
  out.fixed(hash_bytes(out.bytes()));
}

}  // namespace

void encode_header(ByteBuffer& out, const Header& header) {
  encode_header(out, header, kFormatVersion);
}

uint64_t identity_of(const Header& header) {
  ByteBuffer bytes;
  encode_header(bytes, header, 1);
  return hash_bytes(bytes.bytes());
}

uint32_t version_of(std::span<const uint8_t> prefix) {
  uint32_t version;
  std::memcpy(&version, prefix.data() + kFileMagic.size(), sizeof version);
  return version;
}

uint64_t header_bytes(std::span<const uint8_t> prefix, const Place& place) {
  if (prefix.size() < kPrefixBytes ||
      std::memcmp(prefix.data(), kFileMagic.data(), kFileMagic.size()) != 0) {
    throw Error(fmt::format("{}: byte 0", place.path), "not a mmusim trace",
                "a trace begins with the bytes cd 4d 4d 54");
  }
  ByteReader in(prefix.subspan(kFileMagic.size()), place, "file header");
  const auto version = in.fixed<uint32_t>();
  if (version == 0 || version > kFormatVersion) {
    throw Error(fmt::format("{}: byte 8", place.path),
                fmt::format("trace format version {}, but this program reads versions 1 to {}",
                            version, kFormatVersion));
  }
  const auto body = in.fixed<uint32_t>();
  if (body > kMaxHeaderBytes) in.fail(fmt::format("a header of {} bytes is too long", body));
  return kPrefixBytes + body + sizeof(uint64_t);
}

Header decode_header(std::span<const uint8_t> bytes, const Place& place) {
  ByteReader in(bytes, place, "file header");
  in.take(kPrefixBytes);
  const auto body = in.take(bytes.size() - kPrefixBytes - sizeof(uint64_t));
  if (in.fixed<uint64_t>() != hash_bytes(bytes.first(bytes.size() - sizeof(uint64_t)))) {
    in.fail("the checksum of the file header does not match");
  }
  ByteReader fields(body, place, "file header");
  Header header;
  header.isa = fields.text(kMaxHeaderText, "the length of the ISA name");
  header.big_endian = fields.flag();
  const uint8_t page = fields.byte();
  if (page < 9 || page > 40) fields.fail(fmt::format("a page size of 2^{} bytes", page));
  header.page = PageShift(page);
  header.program = fields.text(kMaxHeaderText, "the length of the program name");
  header.recorder = fields.text(kMaxHeaderText, "the length of the recorder's name");
  header.notes = fields.text(kMaxHeaderText, "the length of the notes");
  if (!fields.at_end()) fields.fail("bytes are left over");
  return header;
}

void encode_chunk_header(ByteBuffer& out, const ChunkHeader& header) {
  ByteBuffer fields;
  fields.fixed(kChunkMagic);
  fields.fixed(header.static_blocks);
  encode_totals(fields, header.totals);
  const auto sizes = [&](const StreamSizes& stream) {
    fields.fixed(stream.raw);
    fields.fixed(stream.compressed);
    fields.fixed(stream.hash);
  };
  std::for_each(header.streams.begin(), header.streams.end(), sizes);
  std::for_each(header.page_streams.begin(), header.page_streams.end(), sizes);
  fields.fixed(header.digests.all);
  fields.fixed(header.digests.left_out);
  fields.fixed(header.digests.left_out_last);
  fields.fixed(static_cast<uint32_t>(header.coding));
  fields.fixed(uint32_t{0});
  fields.fixed(header.raw_hash);
  fields.fixed(hash_bytes(fields.bytes()));
  MMUSIM_ASSERT(fields.size() == ChunkHeader::kBytes);
  out.append(fields.data(), fields.size());
}

ChunkHeader decode_chunk_header(std::span<const uint8_t> bytes, uint32_t version,
                                const Place& place) {
  ByteReader in(bytes, place, "chunk header");
  if (in.fixed<uint32_t>() != kChunkMagic) in.fail("no chunk begins here");
  ByteReader fields = in;
  in.take(bytes.size() - sizeof(uint32_t) - sizeof(uint64_t));
  if (in.fixed<uint64_t>() != hash_bytes(bytes.first(bytes.size() - sizeof(uint64_t)))) {
    in.fail("the checksum of the chunk header does not match");
  }
  ChunkHeader header;
  header.static_blocks = fields.fixed<uint32_t>();
  header.totals = decode_totals(fields);
  check_totals(header.totals, fields);
  if (header.static_blocks > kMaxStaticBlocks) fields.fail("too many static blocks");
  const auto sizes = [&](StreamSizes& stream) {
    stream.raw = fields.fixed<uint32_t>();
    stream.compressed = fields.fixed<uint32_t>();
    if (version != 1) stream.hash = fields.fixed<uint64_t>();
  };
  std::for_each(header.streams.begin(), header.streams.end(), sizes);
  if (header.raw_bytes() > kMaxChunkBytes) fields.fail("a chunk is larger than the limit");
  if (version == 1) {
    header.coding = DifferenceCoding::InOrder;
    header.raw_hash = fields.fixed<uint64_t>();
    header.payload_hash = fields.fixed<uint64_t>();
    return header;
  }
  std::for_each(header.page_streams.begin(), header.page_streams.end(), sizes);
  uint64_t page_bytes = 0;
  for (const StreamSizes& stream : header.page_streams) {
    page_bytes += stream.raw;
    if (stream.compressed == 0 && stream.raw != 0) fields.fail("a page stream out of nothing");
  }
  if (page_bytes > kMaxPageStreamBytes) fields.fail("page streams are larger than the limit");
  if ((header.page_streams[1].compressed != 0) != header.has_pages() ||
      (header.has_returns() && !header.has_pages())) {
    fields.fail("a page stream stands alone");
  }
  header.digests.all = fields.fixed<uint64_t>();
  header.digests.left_out = fields.fixed<uint64_t>();
  header.digests.left_out_last = fields.fixed<uint64_t>();
  if (!header.has_pages() && header.digests != PageDigests{}) fields.fail("digests of nothing");
  const auto newest = version == 2 ? DifferenceCoding::ByWidth : DifferenceCoding::Repeats;
  const auto coding = fields.fixed<uint32_t>();
  if (coding > static_cast<uint32_t>(newest)) fields.fail("an unknown coding of differences");
  if (fields.fixed<uint32_t>() != 0) fields.fail("a word that must be zero is not");
  header.coding = static_cast<DifferenceCoding>(coding);
  header.raw_hash = fields.fixed<uint64_t>();
  return header;
}

void encode_index(ByteBuffer& out, uint64_t index_offset, uint64_t header_hash,
                  std::span<const IndexEntry> entries) {
  const size_t begin = out.size();
  out.fixed(kIndexMagic);
  out.fixed(uint32_t{0});
  out.fixed(header_hash);
  for (const IndexEntry& entry : entries) {
    out.fixed(entry.offset);
    out.fixed(entry.bytes);
    out.fixed(entry.raw_bytes);
    encode_totals(out, entry.totals);
    out.fixed(entry.raw_hash);
  }
  const auto index = out.bytes().subspan(begin);
  const uint64_t hash = hash_bytes(index);
  const uint64_t bytes = index.size();
  out.fixed(index_offset);
  out.fixed(bytes);
  out.fixed(hash);
  out.append(kTrailerMagic.data(), kTrailerMagic.size());
}

std::vector<IndexEntry> decode_index(std::span<const uint8_t> bytes, const Place& place,
                                     uint64_t header_hash, uint64_t first_chunk) {
  ByteReader in(bytes, place, "index");
  if (in.fixed<uint32_t>() != kIndexMagic) in.fail("no index begins here");
  if (in.fixed<uint32_t>() != 0) in.fail("a reserved word is not zero");
  if (in.fixed<uint64_t>() != header_hash) in.fail("the index belongs to another file header");
  if (in.left() % IndexEntry::kBytes != 0) in.fail("the index has a wrong size");
  std::vector<IndexEntry> entries(in.left() / IndexEntry::kBytes);
  uint64_t next = first_chunk;
  for (IndexEntry& entry : entries) {
    entry.offset = in.fixed<uint64_t>();
    entry.bytes = in.fixed<uint64_t>();
    entry.raw_bytes = in.fixed<uint64_t>();
    entry.totals = decode_totals(in);
    entry.raw_hash = in.fixed<uint64_t>();
    check_totals(entry.totals, in);
    if (entry.offset != next || entry.bytes < chunk_header_bytes(1) ||
        entry.bytes > place.offset - next || entry.raw_bytes > kMaxChunkBytes) {
      in.fail("a chunk is not where the index puts it");
    }
    next += entry.bytes;
  }
  if (next != place.offset) in.fail("the index does not account for the whole file");
  return entries;
}

std::string content_hash(uint64_t header, std::span<const IndexEntry> entries) {
  ByteBuffer bytes;
  bytes.fixed(header);
  for (const IndexEntry& entry : entries)
    bytes.fixed(entry.raw_hash);
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace mmusim::trace
