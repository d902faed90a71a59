"""The losses in other people's training loops, each as its user would write it."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from holdfast.nn.losses import DistillationLoss, pack_targets  # noqa: E402

N, K = 192, 3


@pytest.fixture
def rows():
    """Inputs, true classes, and a base model that often says something else, sharply."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, 4)).astype(np.float32)
    y = (X @ rng.standard_normal((4, K))).argmax(axis=1)
    base = np.exp(4 * X @ rng.standard_normal((4, K)))
    base /= base.sum(axis=1, keepdims=True)
    assert (base.argmax(axis=1) == y).mean() < 0.6  # else λ would make no difference
    return X, y, base


def check_follows_base(agreement_at):
    """Training with λ = 1 ends near the base model, with λ = 0 near the labels."""
    near, far = agreement_at(1.0), agreement_at(0.0)
    assert near > 0.85
    assert far < 0.7


# --- a plain loop --------------------------------------------------------------------------------


def train_plainly(X, step_loss, epochs=20):
    """Train a linear model, batch by batch in order; returns it and the loss of each epoch."""
    torch.manual_seed(0)
    model = nn.Linear(4, K)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    history = []
    for _ in range(epochs):
        losses = []
        for start in range(0, N, 32):
            rows = slice(start, start + 32)
            loss = step_loss(model(X[rows]), rows)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        history.append(np.mean(losses))
    return model, history


def test_plain_loop(rows):
    X, y, base = (torch.tensor(values) for values in rows)
    criterion = DistillationLoss(0.5)
    model, history = train_plainly(X, lambda z, i: criterion(z, y[i], base[i]).mean())
    assert history[-1] < 0.8 * history[0]

    one_hot, weights = nn.functional.one_hot(y, K), (0.5, 0.5)
    target = (weights[0] * one_hot + weights[1] * base).float()
    by_hand, _ = train_plainly(
        X, lambda z, i: -(target[i] * z.log_softmax(dim=1)).sum(dim=1).mean()
    )
    for ours, theirs in zip(model.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_plain_loop_follows_base(rows):
    X, y, base = (torch.tensor(values) for values in rows)

    def agreement(lam):
        criterion = DistillationLoss(lam, reduction="mean")
        model, _ = train_plainly(X, lambda z, i: criterion(z, y[i], base[i]))
        return (model(X).argmax(dim=1) == base.argmax(dim=1)).double().mean()

    check_follows_base(agreement)


# --- skorch --------------------------------------------------------------------------------------


def test_skorch(rows):
    skorch = pytest.importorskip("skorch")
    X, y, base = rows

    def agreement(lam):
        torch.manual_seed(0)
        net = skorch.NeuralNetClassifier(
            nn.Linear(4, K),
            criterion=DistillationLoss,
            criterion__lam=lam,
            criterion__reduction="mean",
            classes=range(K),
            predict_nonlinearity=nn.Softmax(dim=1),
            optimizer=torch.optim.Adam,
            lr=0.05,
            batch_size=32,
            max_epochs=20,
            train_split=None,
            verbose=0,
        )
        net.fit(X, pack_targets(y, base))
        assert net.history[-1, "train_loss"] < net.history[0, "train_loss"]
        np.testing.assert_allclose(net.predict_proba(X).sum(axis=1), 1, atol=1e-5)
        return (net.predict(X) == base.argmax(axis=1)).mean()

    check_follows_base(agreement)


def test_skorch_validates_and_searches(rows):
    """With a validation split, and inside scikit-learn's grid search over λ."""
    skorch = pytest.importorskip("skorch")
    from sklearn.model_selection import GridSearchCV
    from skorch.dataset import ValidSplit

    X, y, base = rows
    torch.manual_seed(0)
    net = skorch.NeuralNet(
        nn.Linear(4, K),
        criterion=DistillationLoss,
        criterion__lam=0.5,
        criterion__reduction="mean",
        optimizer=torch.optim.Adam,
        lr=0.1,
        batch_size=32,
        train_split=ValidSplit(4),
        verbose=0,
    )

    def accuracy(net, X, packed):
        return (net.predict(X).argmax(axis=1) == packed[:, 0]).mean()

    search = GridSearchCV(net, {"criterion__lam": [0.0, 1.0]}, scoring=accuracy, cv=2)
    search.fit(X, pack_targets(y, base).numpy())
    on_labels, on_base = search.cv_results_["mean_test_score"]
    assert on_labels > on_base + 0.2
    history = search.best_estimator_.history
    assert history[-1, "valid_loss"] < history[0, "valid_loss"]


# --- Lightning -----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")  # by PyTorch
def test_lightning(rows, tmp_path):
    lightning = pytest.importorskip("lightning")

    class Classifier(lightning.LightningModule):
        def __init__(self, lam):
            super().__init__()
            self.network = nn.Linear(4, K)
            self.criterion = DistillationLoss(lam, reduction="mean")

        def training_step(self, batch, batch_idx):
            x, y, base = batch
            loss = self.criterion(self.network(x), y, base)
            self.log("loss", loss, on_epoch=True, on_step=False)
            return loss

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), lr=0.05)

    X, y, base = (torch.tensor(values) for values in rows)

    def agreement(lam):
        torch.manual_seed(0)
        model = Classifier(lam)
        start = model.criterion(model.network(X), y, base).item()
        trainer = lightning.Trainer(
            max_epochs=20,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
        )
        trainer.fit(model, DataLoader(TensorDataset(X, y, base), batch_size=32))
        assert trainer.callback_metrics["loss"] < start
        return (model.network(X).argmax(dim=1) == base.argmax(dim=1)).double().mean()

    check_follows_base(agreement)


# --- Transformers --------------------------------------------------------------------------------


def train_transformer(tokens, packed, folder, lam, **arguments):
    """Train one small block with the Trainer and return it."""
    transformers = pytest.importorskip("transformers")
    criterion = DistillationLoss(lam)

    def loss_of_batch(outputs, labels, num_items_in_batch=None):
        losses = criterion(outputs.logits, labels)
        if num_items_in_batch is None:  # in evaluation
            return losses.mean()
        # The Trainer counts the entries of labels, over all batches that make one step.
        return losses.sum() * labels.shape[1] / num_items_in_batch

    transformers.set_seed(0)
    config = transformers.BertConfig(
        vocab_size=8,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=8,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        num_labels=K,
    )
    data = [{"input_ids": t, "labels": p} for t, p in zip(tokens, packed, strict=True)]
    trainer = transformers.Trainer(
        transformers.BertForSequenceClassification(config),
        transformers.TrainingArguments(
            output_dir=str(folder),
            use_cpu=True,
            disable_tqdm=True,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            learning_rate=5e-3,
            lr_scheduler_type="constant",
            dataloader_pin_memory=False,
            **arguments,
        ),
        train_dataset=data,
        eval_dataset=data,
        compute_loss_func=loss_of_batch,
    )
    before = trainer.evaluate()["eval_loss"]
    trainer.train()
    assert trainer.evaluate()["eval_loss"] < before
    return trainer.model


@pytest.fixture
def sentences():
    """Token rows; the label hangs on the first token, the base model looks at the second."""
    rng = np.random.default_rng(0)
    tokens = torch.tensor(rng.integers(0, 8, (N, 4)))
    base = 0.02 + 0.94 * np.eye(K)[tokens[:, 1] % K]
    return tokens, pack_targets(tokens[:, 0] % K, base)


def test_transformers(sentences, tmp_path):
    tokens, packed = sentences

    def agreement(lam):
        options = {"per_device_train_batch_size": 32, "num_train_epochs": 12}
        model = train_transformer(tokens, packed, tmp_path, lam, **options).eval()
        with torch.no_grad():
            logits = model(tokens).logits
        return (logits.argmax(dim=1) == packed[:, 1:].argmax(dim=1)).double().mean()

    check_follows_base(agreement)


def test_transformers_accumulates_gradients(sentences, tmp_path):
    """Two batches of 16 to a step are one batch of 32."""
    tokens, packed = sentences
    whole, halves = (
        train_transformer(
            tokens,
            packed,
            tmp_path,
            0.5,
            per_device_train_batch_size=32 // steps,
            gradient_accumulation_steps=steps,
            max_steps=6,
            optim="sgd",
            max_grad_norm=0.0,
        )
        for steps in (1, 2)
    )
    for one, other in zip(whole.parameters(), halves.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
