/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdio.h>

static const cli_verb verbs[] = {
	{.name = "up", .summary = "start everything, with a sample to look at", .run = cli_up},
	{.name = "down",
	 .summary = "stop every role of this machine; --purge removes its data",
	 .run = cli_down},
	{.name = "status", .summary = "show the roles of this machine", .run = cli_status},
	{.name = "doctor", .summary = "say whether this machine can run everything", .run = cli_doctor},
	{.name = "kubeconfig", .summary = "print the administrator's kubeconfig", .run = cli_kubeconfig},
	{.name = "server", .summary = "run every role of this machine", .run = cli_server},
	{.name = "agent", .summary = "be a further node of a cluster", .run = cli_agent},
	{.name = "token",
	 .summary = "tokens by which nodes join: create, delete, list",
	 .run = cli_token,
	 .words = "create delete list",
	 .needs_word = true},
	{.name = "image",
	 .summary = "images of this node: pull, import, export, list, remove, prune",
	 .run = cli_image,
	 .words = "list export import prune pull remove",
	 .needs_word = true},
	{.name = "snapshot",
	 .summary = "copies of the API server's store: save, list, restore",
	 .run = cli_snapshot,
	 .words = "list restore save",
	 .needs_word = true},
	{.name = "explain",
	 .summary = "say where a pod may go, and what would have to change",
	 .run = cli_explain},
	{.name = "plugins", .summary = "list what is built in and what was found", .run = cli_plugins},
	{.name = "completion",
	 .summary = "print what makes a shell complete these words",
	 .run = cli_completion,
	 .words = "bash",
	 .has_no_flags = true},
	{.name = "version",
	 .summary = "print the version of sampan and of the Kubernetes API it serves",
	 .run = cli_version,
	 .has_no_flags = true},
	{.name = "apiserver", .summary = "serve the Kubernetes API", .run = cli_apiserver},
	{.name = "keys", .summary = "hold the keys that sign tokens and certificates", .run = cli_keys},
	{.name = "controllers", .summary = "run the controllers", .run = cli_controllers},
	{.name = "scheduler",
	 .summary = "place pods on nodes; 'simulate' decides about a snapshot",
	 .run = cli_scheduler,
	 .words = "simulate"},
	{.name = "dns", .summary = "serve the cluster's names", .run = cli_dns},
	{.name = "service-proxy",
	 .summary = "send traffic for services to their pods, on this node",
	 .run = cli_service_proxy},
	{.name = "cri", .summary = "run containers for a kubelet, over CRI", .run = cli_cri},
	{.name = "node", .summary = "run the pods of this machine", .run = cli_node},
	{.name = "join",
	 .summary = "get this machine's certificate as a node, with a token",
	 .run = cli_join},
};

#define NAME_MAX_BYTES 48u

size_t cli_distance(sp_str a, sp_str b)
{
	size_t rows[3][NAME_MAX_BYTES + 1];
	if (a.len > NAME_MAX_BYTES || b.len > NAME_MAX_BYTES)
		return SIZE_MAX;
	for (size_t j = 0; j <= b.len; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t *now = rows[i % 3];
		const size_t *above = rows[(i + 2) % 3];
		const size_t *two_above = rows[(i + 1) % 3];
		now[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			size_t best = above[j - 1] + (a.ptr[i - 1] != b.ptr[j - 1]);
			best = SP_MIN(best, above[j] + 1);
			best = SP_MIN(best, now[j - 1] + 1);
			if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1])
				best = SP_MIN(best, two_above[j - 2] + 1);
			now[j] = best;
		}
	}
	return rows[a.len % 3][b.len];
}

const cli_verb *cli_find(sp_str name)
{
	for (size_t i = 0; i < SP_LEN(verbs); i++) {
		if (sp_str_eq(name, sp_str_c(verbs[i].name)))
			return &verbs[i];
	}
	return NULL;
}

const cli_verb *cli_verbs(size_t *ret_n)
{
	*ret_n = SP_LEN(verbs);
	return verbs;
}

const cli_verb *cli_nearest(sp_str name)
{
	const cli_verb *nearest = NULL;
	size_t best = 3; /* further away is a guess, not a typing error */
	for (size_t i = 0; i < SP_LEN(verbs); i++) {
		size_t d = cli_distance(name, sp_str_c(verbs[i].name));
		if (d < best && d < strlen(verbs[i].name)) {
			best = d;
			nearest = &verbs[i];
		}
	}
	return nearest;
}

static int help(void)
{
	printf("Usage: sampan VERB [FLAGS]\n\nVerbs:\n");
	for (size_t i = 0; i < SP_LEN(verbs); i++)
		printf("  %-14s %s\n", verbs[i].name, verbs[i].summary);
	return 0;
}

bool cli_is_help(const char *arg)
{
	return strcmp(arg, "-h") == 0 || strcmp(arg, "--help") == 0 || strcmp(arg, "help") == 0;
}

int cli_main(int argc, char **argv)
{
	if (argc < 2) {
		(void)fprintf(stderr, "sampan: no verb given; 'sampan --help' lists them\n");
		return CLI_EXIT_USAGE;
	}
	if (cli_is_help(argv[1]))
		return help();
	const cli_verb *v = cli_find(sp_str_c(argv[1]));
	if (v != NULL)
		return v->run(argc - 1, argv + 1);
	const cli_verb *nearest = cli_nearest(sp_str_c(argv[1]));
	if (nearest != NULL)
		(void)fprintf(stderr, "sampan: unknown verb '%s'; did you mean '%s'?\n", argv[1],
			      nearest->name);
	else
		(void)fprintf(stderr, "sampan: unknown verb '%s'; 'sampan --help' lists them\n", argv[1]);
	return CLI_EXIT_USAGE;
}
