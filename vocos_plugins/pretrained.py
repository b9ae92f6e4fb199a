def save_pretrained(model, directory):
    from pathlib import Path

    import torch

    Path(directory).mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), Path(directory) / "tmp.pt")
