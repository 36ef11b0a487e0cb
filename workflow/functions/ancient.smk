from snakemake.dag import DAG


class Followed:
    """The jobs that depend on a job, without those that it is only an `ancient` input of."""

    def __init__(self, depending):
        self.depending = depending

    def __getitem__(self, job):
        return {
            other: files
            for other, files in self.depending[job].items()
            if not all(file.is_ancient for file in files)
        }


def follow(dag, direction, *jobs, **options):
    depending = direction is dag.depending
    return walk(dag, Followed(direction) if depending else direction, *jobs, **options)


# Snakemake does not look at a job behind one that runs, because that job will run too. With `ancient` between them it
# does not run, so a change of its own would be overlooked (issue 4166 of Snakemake, open in 9.27).
if DAG.bfs.__name__ != "follow":
    walk, DAG.bfs = DAG.bfs, follow
