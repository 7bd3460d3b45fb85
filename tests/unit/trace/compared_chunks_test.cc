// Page streams that agree with their digests and checksums and not with the columns; and what is
// known of files that have been compared.
#include "trace/compared_chunks.h"

#include <cstdlib>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "base/error.h"
#include "history.h"
#include "trace/format.h"
#include "trace/prepare.h"
#include "trace/stored_chunk.h"

namespace mmusim::trace {
namespace compared_chunks_test {

using ::testing::HasSubstr;
using testing::History;
using testing::TemporaryFile;

// Longer than it takes for a file to be settled.
void let_settle() {
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
}

// The columns of one trace with page streams and digests of another one.
void forge(const std::string& columns, const std::string& pages, const std::string& path) {
  Reader honest(columns);
  Reader other(pages);
  ByteBuffer out;
  encode_header(out, honest.header());
  const uint64_t header_hash = hash_bytes(out.bytes());
  std::vector<IndexEntry> index;
  StoredChunk other_chunk;
  for (StoredChunk chunk; honest.next_stored(chunk);) {
    ASSERT_TRUE(other.next_stored(other_chunk));
    ChunkHeader header = chunk.header;
    header.page_streams = other_chunk.header.page_streams;
    header.digests = other_chunk.header.digests;
    const auto mine = chunk.payload.first(header.columns_bytes());
    const auto its = other_chunk.payload.subspan(other_chunk.header.columns_bytes());
    index.push_back({.offset = out.size(),
                     .bytes = ChunkHeader::kBytes + mine.size() + its.size(),
                     .raw_bytes = header.raw_bytes(),
                     .totals = header.totals,
                     .raw_hash = header.raw_hash});
    encode_chunk_header(out, header);
    out.append(mine.data(), mine.size());
    out.append(its.data(), its.size());
  }
  encode_index(out, out.size(), header_hash, index);
  testing::write_file(path, {reinterpret_cast<const char*>(out.data()), out.size()});
}

// All references of what the reader gives.
uint64_t references_in(const std::string& path, References which) {
  Reader reader(path);
  uint64_t count = 0;
  while (reader.next_chunk()) {
    reader.begin(which);
    for (Batch batch; reader.next_of_chunk(batch);)
      count += batch.of_pages ? batch.pages.size() : batch.totals.references();
  }
  return count;
}

std::string error_of(const std::string& path, References which) {
  try {
    static_cast<void>(references_in(path, which));
    return "";
  } catch (const Error& e) {
    return e.what();
  }
}

class ForgedPages : public ::testing::Test {
 protected:
  ForgedPages() {
    History history = testing::random_history({.seed = 3, .happenings = 4000, .threads = 1});
    const WriterOptions options{
        .chunk_bytes = 4096, .pages = PageChoice::Any, .page_percent = 1000};
    testing::write_history(honest_.path(), history, options);
    // One load goes to another page of the same set.
    for (auto at = history.rbegin(); at != history.rend(); ++at) {
      if (at->is_event || at->kind != AccessKind::Load) continue;
      at->address ^= uint64_t{1} << 20;
      break;
    }
    testing::write_history(other_.path(), history, options);
    forge(honest_.path(), other_.path(), forged_.path());
  }

  TemporaryFile honest_;
  TemporaryFile other_;
  TemporaryFile forged_;
};

TEST_F(ForgedPages, AreFoundByWhoWantsThem) {
  EXPECT_EQ(error_of(honest_.path(), References::Any), "");
  EXPECT_EQ(error_of(other_.path(), References::Sets), "");
  for (const References which : {References::Any, References::Sets})
    EXPECT_THAT(error_of(forged_.path(), which),
                HasSubstr("the page streams are at odds with the columns"));
  EXPECT_EQ(references_in(forged_.path(), References::All),
            references_in(honest_.path(), References::All));
}

TEST_F(ForgedPages, AreFoundByVerify) {
  EXPECT_NO_THROW(check_page_streams(honest_.path(), {}));
  EXPECT_THROW(check_page_streams(forged_.path(), {}), Error);
}

// What is known of a file is believed, and is not of the one that takes its place.
TEST_F(ForgedPages, AreBelievedWhereTheFileIsKnownAndNotWhereItIsAnother) {
  let_settle();
  {
    ComparedChunks known(FileState::of(forged_.path()));
    for (size_t chunk = 0; chunk < Reader(forged_.path()).chunks().size(); ++chunk)
      known.add(chunk);
  }
  EXPECT_EQ(error_of(forged_.path(), References::Any), "");
  EXPECT_EQ(error_of(forged_.path(), References::Any), "");
  EXPECT_THROW(check_page_streams(forged_.path(), {}), Error) << "verify believes nothing";
  testing::write_file(forged_.path(), testing::file_content(forged_.path()));
  EXPECT_THAT(error_of(forged_.path(), References::Any), HasSubstr("at odds"));
  let_settle();
  EXPECT_THAT(error_of(forged_.path(), References::Any), HasSubstr("at odds"));
}

// With a folder of its own for what is kept.
class KeptChunks : public ::testing::Test {
 protected:
  KeptChunks() {
    if (const char* before = std::getenv("XDG_CACHE_HOME")) before_ = before;
    setenv("XDG_CACHE_HOME", place_.directory().c_str(), 1);
  }
  ~KeptChunks() override {
    if (before_)
      setenv("XDG_CACHE_HOME", before_->c_str(), 1);
    else
      unsetenv("XDG_CACHE_HOME");
  }

  // Another file for each test.
  static FileState some_file(uint64_t bytes = uint64_t{1} << 20) {
    static uint64_t inode = 0;
    return {.device = 1, .inode = ++inode, .bytes = bytes, .settled = true};
  }
  // What one process has compared.
  static void compare_elsewhere(const FileState& file, std::initializer_list<size_t> chunks) {
    const pid_t child = fork();
    if (child == 0) {
      {
        ComparedChunks compared(file);
        for (const size_t chunk : chunks)
          compared.add(chunk);
      }
      _exit(0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    ASSERT_EQ(status, 0);
  }
  [[nodiscard]] std::string cache() const { return place_.directory(); }
  [[nodiscard]] std::filesystem::path folder() const {
    return std::filesystem::path(cache()) / "mmusim" / "page-streams";
  }
  [[nodiscard]] std::filesystem::path only_slot() const {
    return std::filesystem::directory_iterator(folder())->path();
  }

 private:
  TemporaryFile place_;
  std::optional<std::string> before_;
};

TEST_F(KeptChunks, AreKnownToOtherProcesses) {
  const FileState file = some_file();
  compare_elsewhere(file, {0, 5});
  compare_elsewhere(file, {2});
  const ComparedChunks known(file);
  for (size_t chunk = 0; chunk < 8; ++chunk)
    EXPECT_EQ(known.has(chunk), chunk == 0 || chunk == 2 || chunk == 5) << chunk;
  FileState changed = file;
  ++changed.changed;
  EXPECT_FALSE(ComparedChunks(changed).has(0));
}

TEST_F(KeptChunks, AreOfFilesWorthItThatHaveSettled) {
  compare_elsewhere(some_file(1000), {0});
  FileState young = some_file();
  young.settled = false;
  compare_elsewhere(young, {0});
  EXPECT_FALSE(std::filesystem::exists(folder()));
  ComparedChunks known(young);
  known.add(0);
  EXPECT_FALSE(known.has(0));
  EXPECT_FALSE(FileState::of("/dev/null"));
  EXPECT_FALSE(FileState::of("/there/is/no/such/file"));
}

TEST_F(KeptChunks, AreNotBelievedOfAFolderOthersMayWriteTo) {
  const FileState file = some_file();
  compare_elsewhere(file, {0});
  std::filesystem::permissions(folder(), std::filesystem::perms::all);
  EXPECT_FALSE(ComparedChunks(file).has(0));
  std::filesystem::permissions(folder(), std::filesystem::perms::owner_all);
  EXPECT_TRUE(ComparedChunks(file).has(0));
}

// A user without a home, as many a service: none is made.
TEST_F(KeptChunks, AreNotKeptWhereThereIsNoHome) {
  const std::string no_home = (std::filesystem::path(cache()) / "none").string();
  setenv("XDG_CACHE_HOME", (no_home + "/cache").c_str(), 1);
  compare_elsewhere(some_file(), {0});
  unsetenv("XDG_CACHE_HOME");
  const char* const before = std::getenv("HOME");
  const std::string home = before == nullptr ? "" : before;
  setenv("HOME", no_home.c_str(), 1);
  compare_elsewhere(some_file(), {0});
  EXPECT_FALSE(std::filesystem::exists(no_home));
  std::filesystem::create_directory(no_home);
  const FileState file = some_file();
  compare_elsewhere(file, {0});
  EXPECT_TRUE(ComparedChunks(file).has(0));
  EXPECT_TRUE(std::filesystem::exists(no_home + "/.cache/mmusim/page-streams"));
  setenv("HOME", home.c_str(), 1);
}

TEST_F(KeptChunks, AreNotBelievedOfADamagedSlot) {
  for (const char* damage : {"", "nonsense", "\x31\x31\x31"}) {
    const FileState file = some_file();
    compare_elsewhere(file, {0});
    testing::write_file(only_slot().string(), damage);
    EXPECT_FALSE(ComparedChunks(file).has(0));
    std::filesystem::remove_all(folder());
  }
  const FileState file = some_file();
  compare_elsewhere(file, {0});
  testing::write_file(only_slot().string(), testing::file_content(only_slot().string()) + "x");
  EXPECT_FALSE(ComparedChunks(file).has(0));
}

// A trace that was just written needs no comparing; nor one that was prepared.
TEST_F(KeptChunks, AreThoseOfATraceJustWritten) {
  const TemporaryFile trace;
  const TemporaryFile prepared;
  {
    Writer writer(
        trace.path(), testing::test_header(),
        {.zstd_level = 1, .chunk_bytes = 1 << 18, .pages = PageChoice::Any, .page_percent = 1000});
    writer.thread({Pid(1), Tid(1)});
    uint64_t random = 1;
    while (writer.bytes_written() < uint64_t{9} << 17) {
      for (unsigned i = 0; i < 10'000; ++i) {
        random = random * 0x5851f42d4c957f2d + 1;
        writer.instruction(VirtAddr(0x1000 + 4 * (i % 64)), 4);
        writer.access(AccessKind::Load, VirtAddr(random >> 20), 8);
      }
    }
    writer.finish();
  }
  EXPECT_TRUE(ComparedChunks(FileState::of(trace.path())).has(0));
  prepare(trace.path(), prepared.path(), 1000);
  EXPECT_TRUE(ComparedChunks(FileState::of(prepared.path())).has(0));
  prepare(trace.path(), prepared.path(), 0);
  EXPECT_FALSE(ComparedChunks(FileState::of(prepared.path())).has(0)) << "has none";
}

}  // namespace compared_chunks_test
}  // namespace mmusim::trace
