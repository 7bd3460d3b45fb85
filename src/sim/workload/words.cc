#include "sim/workload/words.h"

#include "base/linux_abi.h"

namespace mmusim::sim::workload {

using namespace abi;

const std::map<std::string, Verb, std::less<>>& verbs() {
  static const std::map<std::string, Verb, std::less<>> kVerbs = {
      {"advise", Verb::Advise},
      {"brk", Verb::Brk},
      {"define", Verb::Define},
      {"do", Verb::Do},
      {"duplicate", Verb::Duplicate},
      {"exec", Verb::Exec},
      {"exit", Verb::Exit},
      {"file", Verb::File},
      {"fork", Verb::Fork},
      {"hole", Verb::Hole},
      {"hugepages", Verb::HugePages},
      {"in", Verb::In},
      {"let", Verb::Let},
      {"lock", Verb::Lock},
      {"lockall", Verb::LockAll},
      {"map", Verb::Map},
      {"measure", Verb::Measure},
      {"move", Verb::Move},
      {"pin", Verb::Pin},
      {"protect", Verb::Protect},
      {"repeat", Verb::Repeat},
      {"resize", Verb::Resize},
      {"sync", Verb::Sync},
      {"thp", Verb::Thp},
      {"thread", Verb::Thread},
      {"touch", Verb::Touch},
      {"truncate", Verb::Truncate},
      {"unlock", Verb::Unlock},
      {"unlockall", Verb::UnlockAll},
      {"unmap", Verb::Unmap},
      {"vfork", Verb::Vfork},
      {"wait", Verb::Wait},
  };
  return kVerbs;
}

const std::map<std::string, uint32_t, std::less<>>& advices() {
  static const std::map<std::string, uint32_t, std::less<>> kAdvices = {
      {"cold", kAdviceCold},
      {"collapse", kAdviceCollapse},
      {"dodump", kAdviceDoDump},
      {"dofork", kAdviceDoFork},
      {"dontdump", kAdviceDontDump},
      {"dontfork", kAdviceDontFork},
      {"dontneed", kAdviceDontNeed},
      {"dontneed-locked", kAdviceDontNeedLocked},
      {"free", kAdviceFree},
      {"guard-install", kAdviceGuardInstall},
      {"guard-remove", kAdviceGuardRemove},
      {"hugepage", kAdviceHugePage},
      {"keeponfork", kAdviceKeepOnFork},
      {"mergeable", kAdviceMergeable},
      {"nohugepage", kAdviceNoHugePage},
      {"normal", kAdviceNormal},
      {"pageout", kAdvicePageOut},
      {"populate-read", kAdvicePopulateRead},
      {"populate-write", kAdvicePopulateWrite},
      {"random", kAdviceRandom},
      {"remove", kAdviceRemove},
      {"sequential", kAdviceSequential},
      {"unmergeable", kAdviceUnmergeable},
      {"willneed", kAdviceWillNeed},
      {"wipeonfork", kAdviceWipeOnFork},
  };
  return kAdvices;
}

}  // namespace mmusim::sim::workload
