package doctor

import "os"

func ownerIDs(os.FileInfo) (uid, gid int, ok bool) { return 0, 0, false }
