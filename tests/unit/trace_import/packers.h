// Text packed in each of the ways ByteSource reads.
#ifndef MMUSIM_TESTS_UNIT_TRACE_IMPORT_PACKERS_H_
#define MMUSIM_TESTS_UNIT_TRACE_IMPORT_PACKERS_H_

#include <algorithm>
#include <archive.h>
#include <archive_entry.h>
#include <boost/crc.hpp>
#include <cstring>
#include <gtest/gtest.h>
#include <lz4frame.h>
#include <lzma.h>
#include <snappy.h>
#include <string>
#include <utility>
#include <vector>
#include <zlib.h>
#include <zstd.h>

namespace mmusim::trace::packers {

inline std::string zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 1));
  return out;
}

inline std::string xz(const std::string& text) {
  std::string out(lzma_stream_buffer_bound(text.size()), '\0');
  size_t used = 0;
  EXPECT_EQ(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, nullptr,
                                    reinterpret_cast<const uint8_t*>(text.data()), text.size(),
                                    reinterpret_cast<uint8_t*>(out.data()), &used, out.size()),
            LZMA_OK);
  out.resize(used);
  return out;
}

inline std::string gzip(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string in = text;
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

inline std::string lz4(const std::string& text) {
  std::string out(LZ4F_compressFrameBound(text.size(), nullptr), '\0');
  out.resize(LZ4F_compressFrame(out.data(), out.size(), text.data(), text.size(), nullptr));
  return out;
}

// Chunks of each kind in turn.
inline std::string snappy(const std::string& text) {
  constexpr size_t kChunk = 65536;
  std::string out("\xff\x06\0\0sNaPpY", 10);
  unsigned kind = 0;
  const auto chunk = [&](unsigned of, const std::string& content) {
    out += static_cast<char>(of);
    for (const unsigned shift : {0u, 8u, 16u})
      out += static_cast<char>(content.size() >> shift);
    out += content;
  };
  for (size_t at = 0; at < text.size(); at += kChunk) {
    const std::string plain = text.substr(at, kChunk);
    std::string content = plain;
    if (kind == 0 || kind == 2) ::snappy::Compress(plain.data(), plain.size(), &content);
    if (kind < 2) {
      boost::crc_optimal<32, 0x1edc6f41, 0xffffffff, 0xffffffff, true, true> crc;
      crc.process_bytes(plain.data(), plain.size());
      const uint32_t sum = crc.checksum();
      const uint32_t masked = (sum >> 15 | sum << 17) + 0xa282ead8u;
      content.insert(0, std::string(reinterpret_cast<const char*>(&masked), 4));
    }
    chunk(kind, content);
    kind = (kind + 1) % 4;
    if (kind == 2) chunk(0xfe, std::string(100, '\0'));  // padding
  }
  return out;
}

inline std::string zip(const std::vector<std::pair<std::string, std::string>>& members,
                       bool stored = false) {
  size_t room = 4096;
  for (const auto& [name, text] : members)
    room += text.size() * 2 + 1024;
  std::string out(room, '\0');
  size_t used = 0;
  archive* const writer = archive_write_new();
  archive_write_set_format_zip(writer);
  if (stored) archive_write_zip_set_compression_store(writer);
  EXPECT_EQ(archive_write_open_memory(writer, out.data(), out.size(), &used), ARCHIVE_OK);
  for (const auto& [name, text] : members) {
    archive_entry* const entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_size(entry, static_cast<la_int64_t>(text.size()));
    EXPECT_EQ(archive_write_header(writer, entry), ARCHIVE_OK);
    EXPECT_EQ(archive_write_data(writer, text.data(), text.size()),
              static_cast<la_ssize_t>(text.size()));
    archive_entry_free(entry);
  }
  archive_write_close(writer);
  archive_write_free(writer);
  out.resize(used);
  return out;
}

inline std::string zip_of_one(const std::string& text) {
  return zip({{"chunk.0000", text}});
}

}  // namespace mmusim::trace::packers

#endif  // MMUSIM_TESTS_UNIT_TRACE_IMPORT_PACKERS_H_
