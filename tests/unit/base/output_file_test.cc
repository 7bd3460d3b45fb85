#include "base/output_file.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iterator>
#include <unistd.h>

#include "base/error.h"

namespace mmusim {
namespace output_file_test {

namespace fs = std::filesystem;

class OutputFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "mmusim-output-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  [[nodiscard]] size_t files() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  static std::string content(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }

  fs::path folder_;
};

TEST_F(OutputFileTest, AppearsWholeOnCommit) {
  const fs::path path = folder_ / "result";
  OutputFile file(path.string());
  file.write(std::string("half "));
  EXPECT_FALSE(fs::exists(path));
  file.write(std::string("and half"));
  file.commit();
  EXPECT_EQ(content(path), "half and half");
  EXPECT_EQ(file.bytes_written(), 13u);
  EXPECT_EQ(files(), 1u);
}

TEST_F(OutputFileTest, LeavesNothingWithoutCommit) {
  {
    OutputFile file((folder_ / "result").string());
    file.write(std::string(100000, 'x'));
  }
  EXPECT_EQ(files(), 0u);
}

TEST_F(OutputFileTest, OldFileStaysUntilCommit) {
  const fs::path path = folder_ / "result";
  std::ofstream(path) << "old";
  {
    OutputFile file(path.string());
    file.write(std::string("new"));
    EXPECT_EQ(content(path), "old");
  }
  EXPECT_EQ(content(path), "old");
  OutputFile file(path.string());
  file.write(std::string("new"));
  file.commit();
  EXPECT_EQ(content(path), "new");
}

TEST_F(OutputFileTest, NamesThePathItCannotCreate) {
  const std::string path = (folder_ / "missing" / "result").string();
  try {
    OutputFile file(path);
    FAIL() << "created " << path;
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr(path + ": cannot create: No such file"));
  }
}

TEST_F(OutputFileTest, FullDeviceIsAnError) {
  OutputFile file("/dev/full");
  try {
    file.write(std::string(1 << 20, 'x'));
    file.commit();
    FAIL() << "wrote to a full device";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("/dev/full: cannot write: No space left"));
  }
}

TEST_F(OutputFileTest, WritesDevicesInPlace) {
  OutputFile file("/dev/null");
  file.write(std::string("x"));
  file.commit();
  EXPECT_FALSE(fs::is_regular_file("/dev/null"));
}

// A dead process holds no lock on what it wrote; a living one, here this, does.
TEST_F(OutputFileTest, RemovesWhatDeadWritersLeft) {
  const fs::path path = folder_ / "result";
  for (const char* name : {"result.tmp.12", "result.tmp.13x", "result.tmp.", "other.tmp.12"})
    std::ofstream(folder_ / name) << "left";
  std::vector<std::string> told;
  OutputFile::on_leftover([&](const std::string& left) { told.push_back(left); });
  OutputFile first(path.string());
  EXPECT_THAT(told, testing::ElementsAre((folder_ / "result.tmp.12").string()));
  EXPECT_EQ(files(), 4u);
  fs::create_hard_link(fmt::format("{}.tmp.{}", path.string(), getpid()),
                       folder_ / "result.tmp.14");
  EXPECT_THROW(OutputFile(path.string()), Error);  // it exists, and is being written
  EXPECT_TRUE(fs::exists(folder_ / "result.tmp.14"));
  EXPECT_EQ(told.size(), 1u);
  OutputFile::on_leftover({});
  first.commit();
  EXPECT_EQ(files(), 5u);
}

}  // namespace output_file_test
}  // namespace mmusim
