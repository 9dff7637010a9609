/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes that are directories of a node: what the provisioner (controllers) and the node agents say to each
 * other through the Node object, so that neither needs rights over the other's things.
 *
 *   local-path.sampan/directory: DIR      by the agent: where its volumes stand, and that it removes them
 *   local-path.sampan/VOLUME: remove      by the provisioner: the volume is given back, its data may go
 *   local-path.sampan/VOLUME: removed     by the agent: DIR/VOLUME is gone. The provisioner lets the
 *                                         PersistentVolume go, then takes the annotation away
 *
 * The directory is made by whoever mounts it first (the volume is a hostPath with DirectoryOrCreate).
 */
#pragma once

#include "base/str.h"

#define SP_LOCAL_PATH_PROVISIONER "sampan/local-path"
#define SP_LOCAL_PATH_DIR "/var/lib/sampan/storage" /* of nodes that do not say theirs */
#define SP_LOCAL_PATH_NOTE "local-path.sampan/"
#define SP_LOCAL_PATH_DIR_NOTE SP_LOCAL_PATH_NOTE "directory"
#define SP_LOCAL_PATH_REMOVE "remove"
#define SP_LOCAL_PATH_REMOVED "removed"

/* "pvc-" and a uid: the only names of directories that are ever removed. */
static inline bool sp_local_path_is_volume(sp_str name)
{
	if (name.len != 40 || !sp_str_starts(name, SP_STR("pvc-")))
		return false;
	for (size_t i = 4; i < name.len; i++) {
		char c = name.ptr[i];
		bool dash = i == 12 || i == 17 || i == 22 || i == 27;
		if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
	}
	return true;
}
