/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plugin registry. A plugin has a type, an id, requirements and an init function; its URI, `type.id`, is
 * unique, and every setting that names a plugin uses the URI. Plugins of one binary stand in one explicit
 * table; the order of registration, and nothing else, decides between plugins that do not need each other.
 *
 * A plugin that is disabled or whose init fails stays in the list with its reason and takes no other down:
 * those that need it are skipped, with a reason that names it. Wrong tables (a URI twice, a cycle) are errors
 * of the start, naming everyone concerned.
 * U: containerd/plugin; the full URI as the only name follows containerd#3210.
 */
#pragma once

#include "base/err.h"

typedef struct sp_registry sp_registry;

typedef struct sp_plugin {
	sp_str type; /* "io.sampan.snapshotter.v1" */
	sp_str id;   /* "overlay" */
	/* What must run before: types (one running plugin of the type is enough), URIs, or "*" alone: all
	 * others. */
	const sp_str *requirements;
	size_t n_requirements;
	/*
	 * Starts it; `arg` is the caller's of sp_registry_start. SP_EUNSUPPORTED means that it does not apply
	 * here (skipped, with the text of err as its reason); any other error is a failure. NULL: nothing to
	 * start.
	 */
	sp_code (*init)(sp_registry *r, void *arg, void **ret_instance, sp_err *err);
	/* Ends what init started; may be NULL. */
	void (*stop)(void *instance);
} sp_plugin;

typedef enum sp_plugin_state {
	SP_PLUGIN_PENDING, /* not started yet */
	SP_PLUGIN_OK,
	SP_PLUGIN_DISABLED,
	SP_PLUGIN_SKIPPED,
	SP_PLUGIN_FAILED,
} sp_plugin_state;

typedef struct sp_plugin_entry {
	const sp_plugin *plugin;
	const char *registrant;
	sp_str uri;
	sp_plugin_state state;
	sp_str reason; /* empty when OK */
	void *instance;
} sp_plugin_entry;

/* Aborts without memory: the tables are the program's own. */
sp_registry *sp_registry_new(void);
/* Stops what runs, in reverse order. NULL is a no-op. */
void sp_registry_free(sp_registry *r);

/*
 * Adds a plugin, which stays where it is, as does the name of its registrant ("src/runtime/plugins.c").
 * SP_EEXISTS names both registrants of a URI. SP_EINVAL: an empty type or id, "*" beside other requirements,
 * its own type or URI as a requirement. Not after start.
 */
sp_code sp_registry_add(sp_registry *r, const sp_plugin *plugin, const char *registrant,
			sp_err *err) SP_MUST_USE;

/*
 * Starts every plugin after what it requires, else in the order of registration. `disabled` are URIs.
 * SP_ENOTFOUND: a disabled URI that nobody registered. SP_EINVAL: a cycle, named from end to end. In both
 * cases nothing was started. Plugins that cannot run do not make this fail: see the list. Once.
 */
sp_code sp_registry_start(sp_registry *r, const sp_str *disabled, size_t n_disabled, void *arg,
			  sp_err *err) SP_MUST_USE;

/* The list, in the order of starting after start, of registration before. */
size_t sp_registry_count(const sp_registry *r);
const sp_plugin_entry *sp_registry_at(const sp_registry *r, size_t i);
/* By URI; NULL when nobody registered it. */
const sp_plugin_entry *sp_registry_find(const sp_registry *r, sp_str uri);
/* The first running plugin of a type, in the order of starting; NULL when none runs. */
const sp_plugin_entry *sp_registry_first(const sp_registry *r, sp_str type);

/* "ok", "disabled", "skipped", "failed", "pending". */
const char *sp_plugin_state_name(sp_plugin_state s);
