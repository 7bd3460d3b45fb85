// Compressed and plain files give the same bytes; damaged ones an Error.
#include "trace/import/byte_source.h"

#include <gtest/gtest.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "base/error.h"
#include "base/random.h"
#include "recording_sink.h"

namespace mmusim::trace {
namespace byte_source_test {

std::string zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 1));
  return out;
}

std::string xz(const std::string& text) {
  std::string out(lzma_stream_buffer_bound(text.size()), '\0');
  size_t used = 0;
  EXPECT_EQ(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, nullptr,
                                    reinterpret_cast<const uint8_t*>(text.data()), text.size(),
                                    reinterpret_cast<uint8_t*>(out.data()), &used, out.size()),
            LZMA_OK);
  out.resize(used);
  return out;
}

std::string gzip(const std::string& text) {
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

std::string read_all(const std::string& path, Random& random, bool release) {
  ByteSource source(path);
  std::string all;
  for (;;) {
    std::string part(1 + random.below(100'000), '\0');
    const size_t got = source.read(part.data(), part.size());
    if (got == 0) break;
    all.append(part, 0, got);
    if (release && random.below(3) == 0) source.release();
  }
  EXPECT_EQ(source.read(all.data(), all.size()), 0u);  // the end stays the end
  return all;
}

std::string sample(size_t bytes, Random& random) {
  std::string text;
  while (text.size() < bytes)
    text += fmt::format("I  {:08x},3\n", random.below(1 << 20));
  text.resize(bytes);
  return text;
}

TEST(ByteSource, EveryFormatGivesTheSameBytes) {
  const lackey::TemporaryDirectory directory;
  Random random(7);
  for (const size_t bytes : {0u, 1u, 5u, 6u, 7u, 4096u, 131'072u, 131'073u, 3'000'000u}) {
    const std::string text = sample(bytes, random);
    for (const bool release : {false, true}) {
      EXPECT_TRUE(read_all(directory.write("p", text), random, release) == text) << bytes;
      EXPECT_TRUE(read_all(directory.write("z", zstd(text)), random, release) == text) << bytes;
      EXPECT_TRUE(read_all(directory.write("x", xz(text)), random, release) == text) << bytes;
      EXPECT_TRUE(read_all(directory.write("g", gzip(text)), random, release) == text) << bytes;
    }
  }
}

TEST(ByteSource, SeveralMembersReadAsOne) {
  const lackey::TemporaryDirectory directory;
  Random random(8);
  const std::string a = sample(300'000, random);
  const std::string b = sample(10, random);
  for (std::string (*const pack)(const std::string&) : {zstd, xz, gzip}) {
    const std::string path = directory.write("m", pack(a) + pack(b) + pack("") + pack(a));
    EXPECT_TRUE(read_all(path, random, true) == a + b + a);
  }
}

TEST(ByteSource, DamageIsAnError) {
  const lackey::TemporaryDirectory directory;
  Random random(9);
  const std::string text = sample(400'000, random);
  for (std::string (*const pack)(const std::string&) : {zstd, xz, gzip}) {
    const std::string packed = pack(text);
    for (const size_t kept : {size_t{7}, packed.size() / 2, packed.size() - 1}) {
      const std::string path = directory.write("t", packed.substr(0, kept));
      EXPECT_THROW(read_all(path, random, false), Error) << kept;
    }
    EXPECT_THROW(read_all(directory.write("t", packed + "something"), random, false), Error);
  }
}

TEST(ByteSource, ErrorsNameTheFile) {
  try {
    ByteSource source("/nonexistent/log");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("/nonexistent/log"), std::string::npos);
  }
  const lackey::TemporaryDirectory directory;
  EXPECT_THROW(
      {
        ByteSource source(directory.path(""));  // a directory
        char byte = 0;
        source.read(&byte, 1);
      },
      Error);
}

}  // namespace byte_source_test
}  // namespace mmusim::trace
