QUICK = []


def groups(_folder):
    return []
