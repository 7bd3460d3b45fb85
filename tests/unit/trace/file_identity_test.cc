// Which file a mapped one was: in a marker and out of it, what is kept of a trace, and across a
// cut.
#include "trace/file_identity.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "history.h"
#include "trace/cut.h"
#include "trace/info.h"
#include "trace/reader.h"

namespace mmusim::trace {
namespace file_identity_test {

using testing::TemporaryFile;

std::optional<MappedIdentity> read_text(const std::string& text) {
  return file_identity_of(MarkerEvent{text});
}

TEST(MappedIdentity, StandsInAMarker) {
  for (const MappedIdentity& identity :
       {MappedIdentity{"/usr/lib/a b.so ", "build-id:00ff"}, MappedIdentity{"x", "code:1"}}) {
    EXPECT_EQ(file_identity_of(marker_of(identity)), identity);
  }
  EXPECT_EQ(marker_of({"/bin/p", "build-id:12ab"}).text, "mapped file build-id:12ab /bin/p");
}

TEST(MappedIdentity, OtherMarkersAreNone) {
  for (const char* text :
       {"", "mapped file", "mapped file ", "mapped file build-id:12", "mapped file build-id:12 ",
        "mapped file build-id: /bin/p", "mapped file build-id:12AB /bin/p",
        "mapped file md5:12 /bin/p", "mapped file 12 /bin/p", "the mapped file build-id:12 /bin/p"})
    EXPECT_FALSE(read_text(text)) << text;
  EXPECT_FALSE(read_text("mapped file code:" + std::string(129, 'a') + " /p"));
  EXPECT_FALSE(read_text("mapped file code:a " + std::string(4097, 'p')));
}

TEST(FileIdentities, KnowTheLastAndThatItWasAnother) {
  FileIdentities files;
  files.marker(marker_of({"/a", "code:1"}));
  files.marker(marker_of({"/a", "code:1"}));
  files.marker(MarkerEvent{"a named point"});
  ASSERT_NE(files.find("/a"), nullptr);
  EXPECT_EQ(files.find("/a")->identity, "code:1");
  EXPECT_FALSE(files.find("/a")->replaced);
  files.marker(marker_of({"/a", "code:2"}));
  EXPECT_EQ(files.find("/a")->identity, "code:2");
  EXPECT_TRUE(files.find("/a")->replaced);
  EXPECT_EQ(files.find("/b"), nullptr);
}

TEST(FileIdentities, AreBounded) {
  FileIdentities files;
  for (size_t i = 0; i < FileIdentities::kMostFiles + 10; ++i)
    files.marker(marker_of({fmt::format("/{}", i), "code:1"}));
  EXPECT_EQ(files.all().size(), FileIdentities::kMostFiles);
  EXPECT_EQ(files.find(fmt::format("/{}", FileIdentities::kMostFiles)), nullptr);
}

TEST(Cut, KeepsWhichFilesWereMapped) {
  const TemporaryFile file;
  const std::string output = file.directory() + "/part.mmt";
  {
    Writer writer(file.path(), testing::test_header());
    writer.thread({Pid(1), Tid(1)});
    const auto map = [&](uint64_t at, const char* name) {
      writer.event(MmapEvent{.hint = VirtAddr(0),
                             .length = 0x1000,
                             .prot = 5,
                             .flags = 2,
                             .fd = 3,
                             .offset = 0,
                             .result = static_cast<int64_t>(at),
                             .file = name});
      writer.event(marker_of({name, "build-id:ab"}));
    };
    map(0x10000, "/lib/stays");
    map(0x20000, "/lib/goes");
    writer.event(MunmapEvent{VirtAddr(0x20000), 0x1000, 0});
    for (int i = 0; i < 4; ++i)
      writer.instruction(VirtAddr(0x10000), 4);
    writer.finish();
  }
  cut(file.path(), {2, 4}, output, {}, {});
  const Info info = read_info(output, true);
  ASSERT_EQ(info.files.all().size(), 1U);
  EXPECT_EQ(info.files.find("/lib/stays")->identity, "build-id:ab");
}

}  // namespace file_identity_test
}  // namespace mmusim::trace
