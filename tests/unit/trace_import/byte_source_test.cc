// Compressed and plain files give the same bytes; damaged ones an Error.
#include "trace/import/byte_source.h"

#include <cstdio>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <memory>
#include <utility>

#include "base/error.h"
#include "base/random.h"
#include "packers.h"
#include "recording_sink.h"

namespace mmusim::trace {
namespace byte_source_test {

using packers::gzip;
using packers::lz4;
using packers::snappy;
using packers::xz;
using packers::zip;
using packers::zip_of_one;
using packers::zstd;

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

// The same of a pipe, which nobody can look into before.
std::string read_piped(const std::string& path) {
  FILE* const pipe = popen(fmt::format("cat '{}'", path).c_str(), "r");
  Random random(1);
  const std::unique_ptr<FILE, int (*)(FILE*)> closed(pipe, pclose);
  return read_all(fmt::format("/dev/fd/{}", fileno(pipe)), random, false);
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
  for (const size_t bytes : {0u, 1u, 5u, 6u, 7u, 4096u, 131'072u, 131'073u, 1'000'000u}) {
    const std::string text = sample(bytes, random);
    for (const bool release : {false, true}) {
      EXPECT_TRUE(read_all(directory.write("p", text), random, release) == text) << bytes;
      for (std::string (*const pack)(const std::string&) :
           {zstd, xz, gzip, lz4, snappy, zip_of_one})
        EXPECT_TRUE(read_all(directory.write("c", pack(text)), random, release) == text) << bytes;
    }
  }
}

TEST(ByteSource, SeveralMembersReadAsOne) {
  const lackey::TemporaryDirectory directory;
  Random random(8);
  const std::string a = sample(300'000, random);
  const std::string b = sample(10, random);
  for (std::string (*const pack)(const std::string&) : {zstd, xz, gzip, lz4, snappy}) {
    const std::string path = directory.write("m", pack(a) + pack(b) + pack("") + pack(a));
    EXPECT_TRUE(read_all(path, random, true) == a + b + a);
  }
}

TEST(ByteSource, DamageIsAnError) {
  const lackey::TemporaryDirectory directory;
  Random random(9);
  const std::string text = sample(400'000, random);
  for (std::string (*const pack)(const std::string&) : {zstd, xz, gzip, lz4, snappy}) {
    const std::string packed = pack(text);
    for (const size_t kept : {size_t{14}, packed.size() / 2, packed.size() - 1}) {
      const std::string path = directory.write("t", packed.substr(0, kept));
      EXPECT_THROW(read_all(path, random, false), Error) << kept;
    }
    EXPECT_THROW(read_all(directory.write("t", packed + "something"), random, false), Error);
  }
}

TEST(ByteSource, MembersOfAnArchiveComeInTheirOrder) {
  const lackey::TemporaryDirectory directory;
  Random random(10);
  const std::string a = sample(300'000, random);
  const std::string b = sample(70'000, random);
  for (const bool stored : {false, true}) {
    const std::string path = directory.write(
        "z", zip({{"chunk.0001", a}, {"chunk.0000", b}, {"empty", ""}, {"chunk.0002", a}}, stored));
    EXPECT_TRUE(read_all(path, random, true) == a + b + a);
  }
  EXPECT_EQ(read_all(directory.write("none", zip({})), random, false), "");
}

TEST(ByteSource, DamagedArchivesAreErrors) {
  const lackey::TemporaryDirectory directory;
  Random random(11);
  const std::string text = sample(400'000, random);
  const std::string packed = zip({{"chunk.0000", text}, {"chunk.0001", text}});
  for (const size_t kept : {size_t{12}, size_t{40}, packed.size() / 4, packed.size() / 2}) {
    const std::string path = directory.write("t", packed.substr(0, kept));
    EXPECT_THROW(read_all(path, random, false), Error) << kept;
  }
  std::string changed = packed;
  changed[packed.size() / 4] = static_cast<char>(~changed[packed.size() / 4]);
  try {
    read_all(directory.write("t", changed), random, false);
    FAIL() << "nothing was noticed";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("chunk.0000"), std::string::npos) << error.what();
  }
}

// An archive is the whole file, whether the file can be read from its end or not.
TEST(ByteSource, NothingIsBesideAnArchive) {
  const lackey::TemporaryDirectory directory;
  Random random(13);
  const std::string text = sample(200'000, random);
  const std::string packed = zip({{"a", text}, {"b", text}});
  std::string commented = packed;
  commented[packed.size() - 2] = 5;
  commented += "PK\x05\x06!";
  const std::string behind = fmt::format("byte {}: something", packed.size());
  const std::pair<std::string, std::string> cases[] = {
      {packed, ""},
      {commented, ""},
      {packed + "x", behind},
      {packed + std::string(1000, '\0'), behind},
      {packed + zip({{"c", text}}), "does not begin where the file does"},
      {packed.substr(0, packed.size() - 1), "zip archive"},
  };
  for (const auto& [content, wanted] : cases) {
    const std::string path = directory.write("z", content);
    for (const bool piped : {false, true}) {
      std::string said;
      try {
        EXPECT_TRUE((piped ? read_piped(path) : read_all(path, random, false)) == text + text);
      } catch (const Error& error) {
        said = error.what();
      }
      EXPECT_EQ(said.empty(), wanted.empty()) << said;
      EXPECT_NE(said.find(wanted), std::string::npos) << said << " without " << wanted;
    }
  }
}

// What libarchive says of it ends a line.
TEST(ByteSource, ASizeThatIsNotTheMembersIsAnErrorOfOneLine) {
  const lackey::TemporaryDirectory directory;
  Random random(14);
  std::string packed = zip_of_one(sample(20'000, random));
  const size_t listed = packed.rfind("PK\x01\x02");
  ASSERT_NE(listed, std::string::npos);
  ++packed[22];  // the size, in front of the member
  ++packed[listed + 24];
  try {
    read_all(directory.write("z", packed), random, false);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("wrong size"), std::string::npos) << error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
  }
}

TEST(ByteSource, SnappyChecksumsAreLookedAt) {
  const lackey::TemporaryDirectory directory;
  Random random(12);
  std::string packed = snappy(sample(50'000, random));
  packed[14] = static_cast<char>(~packed[14]);  // behind identifier and head
  EXPECT_THROW(read_all(directory.write("s", packed), random, false), Error);
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
