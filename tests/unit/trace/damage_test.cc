// Damaged, cut and hostile files: each gives one Error that names the file and a byte offset.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "history.h"
#include "tests/effort.h"
#include "trace/format.h"
#include "trace/prepare.h"
#include "trace/verify.h"

namespace mmusim::trace {
namespace damage_test {

// Of a file, every so many places are damaged.
constexpr size_t kStride = tests::kWholeEffort ? 1 : 3;

using ::testing::AllOf;
using testing::difference;
using ::testing::HasSubstr;
using testing::History;
using testing::TemporaryFile;

class DamageTest : public ::testing::Test {
 protected:
  DamageTest() {
    history_ = testing::random_history(
        {.seed = 5, .happenings = 300, .threads = 2, .code_blocks = 6, .events_per_mille = 15});
    testing::write_history(
        file_.path(), history_,
        {.zstd_level = 3, .chunk_bytes = 256, .pages = PageChoice::Any, .page_percent = 1000});
    good_ = testing::file_content(file_.path());
    Reader reader(file_.path());
    chunks_ = reader.chunks();
  }

  // What reading says of `content`; "" if nothing is wrong.
  std::string error_of(const std::string& content, bool torn = false) {
    testing::write_file(file_.path(), content);
    try {
      history_read_ = testing::read_history(file_.path(), {.accept_torn = torn});
      check_page_streams(file_.path(), {.accept_torn = torn});
      return "";
    } catch (const Error& e) {
      return e.what();
    }
  }

  [[nodiscard]] auto names_the_place() const {
    return AllOf(HasSubstr(file_.path()), HasSubstr("byte "));
  }

  // Replaces the trailer's and index's hashes by right ones.
  std::string with_index(std::string content, const std::function<void(std::string& index)>& edit) {
    uint64_t at = 0;
    std::memcpy(&at, content.data() + content.size() - kTrailerBytes, sizeof at);
    std::string index = content.substr(at, content.size() - kTrailerBytes - at);
    edit(index);
    ByteBuffer trailer;
    trailer.fixed(at);
    trailer.fixed(uint64_t{index.size()});
    trailer.fixed(hash_bytes({reinterpret_cast<const uint8_t*>(index.data()), index.size()}));
    trailer.append(kTrailerMagic.data(), kTrailerMagic.size());
    return content.substr(0, at) + index +
           std::string(reinterpret_cast<const char*>(trailer.data()), trailer.size());
  }

  TemporaryFile file_;
  History history_;
  History history_read_;
  std::string good_;
  std::vector<ChunkInfo> chunks_;
};

TEST_F(DamageTest, TheFileIsGoodToBeginWith) {
  EXPECT_EQ(error_of(good_), "");
  EXPECT_EQ(difference(history_, history_read_), "");
  EXPECT_GE(chunks_.size(), 3u);
}

TEST_F(DamageTest, EveryTruncationIsNoticed) {
  for (size_t size = 0; size < good_.size(); size += kStride) {
    ASSERT_THAT(error_of(good_.substr(0, size)), names_the_place()) << size << " bytes";
  }
}

TEST_F(DamageTest, ATornFileIsReadUpToItsLastWholeChunk) {
  // How many records each chunk ends with, by a plain count of what was written.
  const uint64_t header_end = chunks_[0].offset;
  for (size_t size = 0; size < good_.size(); size += kStride) {
    SCOPED_TRACE(size);
    const std::string error = error_of(good_.substr(0, size), true);
    if (size < header_end) {
      ASSERT_THAT(error, names_the_place());
      continue;
    }
    ASSERT_EQ(error, "");
    uint64_t whole = 0;
    for (const ChunkInfo& chunk : chunks_) {
      if (chunk.offset + chunk.compressed_bytes > size) break;
      whole += chunk.totals.references() + chunk.totals.events;
    }
    ASSERT_EQ(history_read_.size(), whole);
    ASSERT_EQ(difference(History(history_.begin(), history_.begin() + static_cast<long>(whole)),
                         history_read_),
              "");
  }
}

TEST_F(DamageTest, ATornFileKnowsItsTotalsOnceRead) {
  testing::write_file(file_.path(), good_.substr(0, good_.size() - 1));
  Reader reader(file_.path(), {.accept_torn = true});
  EXPECT_TRUE(reader.torn());
  EXPECT_FALSE(reader.totals().has_value());
  EXPECT_TRUE(reader.chunks().empty());
  for (Batch batch; reader.next(batch);) {
  }
  EXPECT_EQ(reader.chunks().size(), chunks_.size());
}

TEST_F(DamageTest, EveryFlippedBitIsNoticed) {
  // One bit and all bits of every byte.
  for (size_t at = 0; at < good_.size(); at += kStride) {
    for (const unsigned flip : {1u << at % 8, 0xffu}) {
      std::string bad = good_;
      bad[at] = static_cast<char>(static_cast<unsigned char>(bad[at]) ^ flip);
      ASSERT_THAT(error_of(bad), names_the_place()) << "bits " << flip << " of byte " << at;
    }
  }
}

TEST_F(DamageTest, AFlippedBitInATornFileIsNoticedOrInWhatIsLeftOut) {
  const size_t cut = good_.size() - 8;
  for (size_t at = 0; at < cut; at += kStride) {
    std::string bad = good_.substr(0, cut);
    bad[at] = static_cast<char>(static_cast<unsigned char>(bad[at]) ^ 0x10u);
    const std::string error = error_of(bad, true);
    if (error.empty()) {
      ASSERT_LE(history_read_.size(), history_.size());
      history_.resize(history_read_.size());
      ASSERT_EQ(difference(history_, history_read_), "") << "byte " << at;
    } else {
      ASSERT_THAT(error, names_the_place()) << "byte " << at;
    }
  }
}

TEST_F(DamageTest, SaysWhatIsWrong) {
  EXPECT_THAT(error_of(""), AllOf(names_the_place(), HasSubstr("empty")));
  EXPECT_THAT(error_of("hello, world, this is no trace"),
              AllOf(names_the_place(), HasSubstr("not a mmusim trace")));
  std::string future = good_;
  future[8] = static_cast<char>(kFormatVersion + 1);
  EXPECT_THAT(error_of(future), AllOf(names_the_place(), HasSubstr("version 4")));
  EXPECT_THAT(error_of(good_ + "x"), AllOf(names_the_place(), HasSubstr("index")));
  std::string damaged_chunk = good_;
  const uint64_t at = chunks_[1].offset + chunks_[1].compressed_bytes - 3;
  damaged_chunk[at] = static_cast<char>(~damaged_chunk[at]);
  EXPECT_THAT(error_of(damaged_chunk),
              AllOf(HasSubstr(fmt::format("byte {}:", chunks_[1].offset)), HasSubstr("checksum")));
}

TEST_F(DamageTest, DirectoriesAndMissingFilesAreNoTraces) {
  EXPECT_THROW(Reader{file_.directory()}, Error);
  EXPECT_THROW(Reader{file_.path() + ".missing"}, Error);
}

TEST_F(DamageTest, HostileTrailersAreRefused) {
  for (const uint64_t value : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}, ~uint64_t{0} - 31,
                               uint64_t{1} << 63, good_.size() - 1}) {
    for (const size_t field : {32u, 24u, 16u}) {
      std::string bad = good_;
      std::memcpy(bad.data() + bad.size() - field, &value, sizeof value);
      ASSERT_THAT(error_of(bad), names_the_place()) << field << " " << value;
    }
  }
}

TEST_F(DamageTest, HostileIndexesWithRightChecksumsAreRefused) {
  for (const uint64_t value :
       {uint64_t{0}, uint64_t{1}, ~uint64_t{0}, ~uint64_t{0} - 200, uint64_t{1} << 62}) {
    for (size_t field = 0; field < 2 + IndexEntry::kBytes / 8; ++field) {
      const std::string bad = with_index(good_, [&](std::string& index) {
        std::memcpy(index.data() + 8 * field, &value, sizeof value);
      });
      if (bad == good_) continue;  // some counts are 0 anyway
      ASSERT_THAT(error_of(bad), names_the_place()) << field << " " << value;
    }
  }
  EXPECT_THAT(error_of(with_index(good_, [](std::string& index) { index += "x"; })),
              names_the_place());
  EXPECT_THAT(
      error_of(with_index(
          good_, [](std::string& index) { index.resize(index.size() - IndexEntry::kBytes); })),
      names_the_place());
}

TEST_F(DamageTest, HostileChunkHeadersWithRightChecksumsAreRefused) {
  const uint64_t at = chunks_[0].offset;
  for (const uint64_t value :
       {uint64_t{0}, uint64_t{1}, ~uint64_t{0}, uint64_t{0x7fffffff80000000}, uint64_t{1} << 25}) {
    for (size_t field = 8; field + 16 <= ChunkHeader::kBytes; field += 4) {
      std::string bad = good_;
      std::memcpy(bad.data() + at + field, &value, field % 8 == 0 ? 8 : 4);
      const uint64_t hash =
          hash_bytes({reinterpret_cast<const uint8_t*>(bad.data()) + at, ChunkHeader::kBytes - 8});
      std::memcpy(bad.data() + at + ChunkHeader::kBytes - 8, &hash, sizeof hash);
      if (bad == good_) continue;
      ASSERT_THAT(error_of(bad), names_the_place()) << field << " " << value;
      // Without the index nothing contradicts a header but the chunk itself, or the chunk seems to
      // go on beyond the end of the file.
      const std::string error = error_of(bad.substr(0, bad.size() - 8), true);
      if (error.empty()) {
        ASSERT_TRUE(history_read_.empty()) << field << " " << value;
      }
    }
  }
}

}  // namespace damage_test
}  // namespace mmusim::trace
