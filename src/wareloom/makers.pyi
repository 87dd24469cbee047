"""Written by `python -m wareloom.testing.stubs` from the registry: change nothing here by hand."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict, TypeVar, overload
import datetime

import wareloom.mixing
import wareloom.mixing.curriculum
import wareloom.mixing.distil
import wareloom.mixing.fresh
import wareloom.mixing.labels
import wareloom.mixing.ratio
import wareloom.mixing.searched
import wareloom.mixing.selected
import wareloom.preparing.split_settings
import wareloom.rankers
import wareloom.rankers.baseline.item_knn
import wareloom.rankers.baseline.newcomers
import wareloom.rankers.baseline.personal
import wareloom.rankers.baseline.popularity
import wareloom.rankers.baseline.tifu_knn
import wareloom.rankers.baseline.transitions
import wareloom.rankers.baseline.user_knn
import wareloom.rankers.clicks.boosting
import wareloom.rankers.clicks.dcn
import wareloom.rankers.clicks.deepfm
import wareloom.rankers.clicks.logistic
import wareloom.rankers.clicks.siamese
import wareloom.rankers.content.attributes
import wareloom.rankers.content.complements
import wareloom.rankers.content.image_knn
import wareloom.rankers.content.text_knn
import wareloom.rankers.factor.als
import wareloom.rankers.factor.bpr
import wareloom.rankers.factor.ease
import wareloom.rankers.factor.lightgcn
import wareloom.rankers.factor.rating
import wareloom.rankers.factor.slim
import wareloom.rankers.hybrid.blend
import wareloom.rankers.hybrid.stack
import wareloom.rankers.learned.bi_encoder
import wareloom.rankers.learned.cross_encoder
import wareloom.rankers.learned.multitask
import wareloom.rankers.learned.two_tower
import wareloom.rankers.search.bm25
import wareloom.rankers.search.bm25_runs
import wareloom.rankers.search.fusion
import wareloom.rankers.search.lambdamart
import wareloom.rankers.search.two_stage
import wareloom.rankers.sequence.bert4rec
import wareloom.rankers.sequence.caser
import wareloom.rankers.sequence.gru
import wareloom.rankers.sequence.sasrec
import wareloom.rankers.sequence.session_knn
import wareloom.sampling.generator
import wareloom.synthesis
import wareloom.synthesis.behaviour.augment
import wareloom.synthesis.behaviour.diffusion
import wareloom.synthesis.behaviour.exposures
import wareloom.synthesis.behaviour.gan
import wareloom.synthesis.behaviour.gru
import wareloom.synthesis.behaviour.independent
import wareloom.synthesis.behaviour.joint
import wareloom.synthesis.behaviour.markov
import wareloom.synthesis.behaviour.neighbours
import wareloom.synthesis.behaviour.private_walk
import wareloom.synthesis.behaviour.shuffled
import wareloom.synthesis.behaviour.teacher
import wareloom.synthesis.behaviour.transformer
import wareloom.synthesis.behaviour.vae
import wareloom.synthesis.dialogues.flow
import wareloom.synthesis.dialogues.utterances
import wareloom.synthesis.images.image_augment
import wareloom.synthesis.images.image_background
import wareloom.synthesis.images.image_diffusion
import wareloom.synthesis.images.image_gan
import wareloom.synthesis.images.image_vae
import wareloom.synthesis.labels.distilled
import wareloom.synthesis.labels.judge
import wareloom.synthesis.labels.lexical
import wareloom.synthesis.queries.attributes
import wareloom.synthesis.queries.edits
import wareloom.synthesis.queries.prompted
import wareloom.synthesis.queries.spans
import wareloom.synthesis.queries.tuned
import wareloom.synthesis.searches.search_log

S = TypeVar("S", bound=wareloom.synthesis.Synthesizer)
R = TypeVar("R", bound=wareloom.rankers.Ranker)
M = TypeVar("M", bound=wareloom.mixing.Mixer)

@overload
def synthesizer(
    name: Literal['attributes'],
    *,
    length: float = 0.0,
    typos: float = 0.05,
    variants: float = 0.4,
    learn_queries: bool = True,
    temperature: float = 1.0,
) -> wareloom.synthesis.queries.attributes.Attributes:
    """Take some words of a product's title, the sooner the more they say what it is, in an order people type them.

        length: Words of a query in the mean; 0 as the shop's own queries, or as usual.
        typos: Share of the queries with one slip of the hand.
        variants: Share of the measures that are not written in the commonest way: '3 ft' as "3'".
        learn_queries: Whether real queries are learned from where there are any: what is written is more like them, and teaches no more.
        temperature: Above 1 the choice of words is freer, below 1 stricter.
    """

@overload
def synthesizer(
    name: Literal['augment'],
    *,
    operations: Mapping[str, float] = ...,
    crop: float = 0.6,
    mask: float = 0.3,
    reorder: float = 0.5,
    substitute: float = 0.3,
    insert: float = 0.3,
    neighbours: int = 30,
) -> wareloom.synthesis.behaviour.augment.Augment:
    """Real users, each changed in one way: the augmentations of contrastive recommenders, as data.

        operations: How often each of crop, mask, reorder, substitute and insert is drawn, beside the others.
        crop: Share of a history that is kept.
        mask: Share of events that are dropped.
        reorder: Share of a history that is shuffled, in one run.
        substitute: Share of events whose item is changed for a related one.
        insert: Share of events behind which a related item is put, at the same time.
        neighbours: Related items of each item; they are drawn by their similarity.
    """

@overload
def synthesizer(
    name: Literal['diffusion'],
    *,
    window: int = 2,
    decay: float = 0.5,
    half_life: float | None = None,
    structure: Literal['outline', 'learned', 'chain'] = 'outline',
    min_users: int = 1,
    jitter: float = 0.2,
    look_ahead: int = 15,
    latent_size: int = 64,
    hidden_size: int = 128,
    beta: float = 0.05,
    dropout: float = 0.3,
    epochs: int = 30,
    batch_size: int = 256,
    learning_rate: float = 0.002,
    temperature: float = 0.9,
    order: float = 0.5,
    width: int = 256,
    depth: int = 2,
    steps: int = 8,
    guidance: float = 1.0,
    updates: int = 4000,
    average: float = 0.999,
    denoiser_rate: float = 0.001,
) -> wareloom.synthesis.behaviour.diffusion.Diffusion:
    """Shoppers whose latent vectors are noise from which a network has taken the noise away, step by step.

        window: Items this many places apart still count as following one another; for chains.
        decay: Factor on a pair's weight for each further place apart; for chains.
        half_life: Days after which an event weighs half, counted back from the last event; None weighs all alike. An outline is drawn as often as its last event weighs.
        structure: Whether a new shopper's sessions, times, kinds of event, repeats and pattern of categories are those of a real user drawn at random and moved in time, to be filled with other items; are nobody's, drawn event by event from tables of what users did where, and filled alike; or are drawn one by one, items too.
        min_users: Users who must have done something for it to be counted by itself; not for outlines, which are of one each.
        jitter: How far gaps of an outline are stretched or shrunk: the standard deviation of the logarithm.
        look_ahead: Items that are tried at most, where an outline's next item is known to follow, until one leads on to such.
        latent_size: Numbers in a latent vector.
        hidden_size: Width of the autoencoder's layers.
        beta: Weight of the autoencoder's divergence from the normal; small leaves users further apart.
        dropout: Share of a user's items that are hidden from the encoder while it learns.
        epochs: Passes of the autoencoder over the users.
        batch_size: Users of an update.
        learning_rate: Highest step size of the autoencoder.
        temperature: Below 1 likely items are drawn more often.
        order: How much it counts where others went next, 0 to 1: of outlines, what the user likes counts to the power of 1 less this; in chains it is the share of steps known to the log that lead where others went, among what the user likes.
        width: Width of the networks that learn how the vectors lie.
        depth: Layers of these.
        steps: Steps in which noise becomes a vector.
        guidance: Weight of what was known of a user before: 1 as learned, above 1 more, 0 none.
        updates: Its training steps, of `batch_size` users each.
        average: Decay of the moving average of its weights, which is what samples.
        denoiser_rate: Highest step size of its training.
    """

@overload
def synthesizer(
    name: Literal['distilled'],
    *,
    queries: str = 'attributes',
    query_settings: Mapping[str, Any] = ...,
    retriever: str = 'bm25',
    retriever_settings: Mapping[str, Any] = ...,
    round_trip: int = 50,
    graded: int = 8,
    near: int = 10,
    far: int = 100,
    min_confidence: float = 0.0,
    teacher: str = '',
    teacher_settings: Mapping[str, Any] = ...,
    training_queries: int = 500,
    embedder: str = 'minilm',
    fields: str = 'title category brand',
    ridges: Sequence[float] = ...,
) -> wareloom.synthesis.labels.distilled.Distilled:
    """Learn from graded pairs how likely each grade is, from how query and product match.

        queries: The synthesizer that writes the queries.
        query_settings: Its settings.
        retriever: The ranker of search that finds products for a query.
        retriever_settings: Its settings.
        round_trip: Place at which the product that was meant has to be found; 0 keeps every query.
        graded: Products graded for each query beside the one that was meant.
        near: Half of them are drawn among so many first found …
        far: … and half among the others of so many.
        min_confidence: Confidence, from 0 to 1, below which no label is given.
        teacher: The synthesizer of labels that is learned from; empty for the shop's real judgments.
        teacher_settings: Its settings.
        training_queries: Queries that the teacher labels.
        embedder: What makes the vectors whose cosine is seen; empty for none.
        fields: Columns of items that are read; those a shop lacks are passed over.
        ridges: Penalties among which cross-validation chooses.
    """

@overload
def synthesizer(
    name: Literal['edits'],
    *,
    queries: str = 'attributes',
    query_settings: Mapping[str, Any] = ...,
    mix: Mapping[str, float] = ...,
    edits: int = 1,
    doubt: float = 1.0,
    masked: str = '',
    translator: str = '',
    translator_settings: Mapping[str, Any] = ...,
) -> wareloom.synthesis.queries.edits.Edits:
    """Edit the shop's real queries or, where it has none with a known product, those of another synthesizer.

        queries: The synthesizer whose queries are edited where the shop has none of its own.
        query_settings: Its settings.
        mix: How often each kind is tried first: typo, homophone, swap, number, units, synonym, drop, masked, translated.
        edits: Edits of a query.
        doubt: What is taken off the grade for each edit that may change what is meant.
        masked: A folder with a masked language model, for the kind masked.
        translator: The text model that translates, for the kind translated: endpoint, huggingface, or package.module:Class.
        translator_settings: Its settings.
    """

@overload
def synthesizer(
    name: Literal['exposures'],
    *,
    clicks: Literal['logistic', 'position', 'constant'] = 'logistic',
    click_settings: Mapping[str, Any] = ...,
) -> wareloom.synthesis.behaviour.exposures.Exposures:
    """Show users (or sessions) of the log again, under new ids, and draw from a model whether they click.

        clicks: The model of clicks: logistic regression over all features, examination by position × attraction by item, or the share of clicks alone.
        click_settings: Settings of the logistic regression.
    """

@overload
def synthesizer(
    name: Literal['flow'],
    *,
    policies: str = '',
    catalogue: str = '',
    phrases: Sequence[str] = ...,
    intents: Sequence[str] = ...,
    language: Literal['', 'en', 'zh'] = '',
    min_phrases: int = 500,
    seen_in: int = 1,
    wrong_number: float = 0.08,
    asks_twice: float = 0.05,
    changes_mind: float = 0.05,
    angry: float = 0.05,
    off_topic: float = 0.04,
    leaves: float = 0.04,
    typos: float = 0.04,
    frames: float = 0.3,
    ends: Literal['whole', 'logged'] = 'whole',
    model: str = '',
    model_settings: Mapping[str, Any] = ...,
    model_does: Literal['chooses', 'writes'] = 'chooses',
) -> wareloom.synthesis.dialogues.flow.Flow:
    """Write customer-service dialogues in four stages: a world, a plan, words, and a check of all that agents say.

        policies: A TOML file of the shop's policies; the example's where empty.
        catalogue: A shop whose items are talked about, where the log's own has none.
        phrases: Further shops whose dialogues lend phrases.
        intents: Intents that customers come with; all requests of the log where none are named.
        language: The language of dialogues; as in the log where empty.
        min_phrases: Phrases of a language below which they are too few to speak in.
        seen_in: Dialogues that have to have a phrase for it to be said again; 5 or more keeps counts instead of people.
        wrong_number: Share of order numbers that customers give wrongly at first.
        asks_twice: Share of answers after which customers ask again.
        changes_mind: Share of offers that are declined, where the log does not say.
        angry: Share of requests that turn into complaints, where the log does not say.
        off_topic: Share of requests after which customers talk of other things, where the log does not say.
        leaves: Share of turns after which customers leave, where the log does not say.
        typos: Share of careless customers' phrases with one slip more than the log's.
        frames: Share of English requests that begin in another way.
        ends: Whether dialogues go on to their ends, or are cut as the log's are where it shows no ends.
        model: A text model behind agents' words: embedded, huggingface, endpoint or package.module:Class; none if empty.
        model_settings: Its settings, such as base_url and model.
        model_does: Whether it chooses among sentences, or writes round facts that a grammar holds; the embedded one only chooses.
    """

@overload
def synthesizer(
    name: Literal['gan'],
    *,
    window: int = 2,
    decay: float = 0.5,
    half_life: float | None = None,
    structure: Literal['outline', 'learned', 'chain'] = 'outline',
    min_users: int = 1,
    jitter: float = 0.2,
    look_ahead: int = 15,
    latent_size: int = 64,
    hidden_size: int = 128,
    beta: float = 0.05,
    dropout: float = 0.3,
    epochs: int = 30,
    batch_size: int = 256,
    learning_rate: float = 0.002,
    temperature: float = 0.9,
    order: float = 0.5,
    width: int = 256,
    depth: int = 2,
    loss: Literal['relativistic', 'wasserstein'] = 'relativistic',
    pack: int = 2,
    critic_steps: int = 2,
    penalty: float = 0.2,
    updates: int = 6000,
    average: float = 0.99,
    player_rate: float = 0.001,
) -> wareloom.synthesis.behaviour.gan.GAN:
    """Shoppers whose latent vectors a generator made that a critic could not tell from those of real users.

        window: Items this many places apart still count as following one another; for chains.
        decay: Factor on a pair's weight for each further place apart; for chains.
        half_life: Days after which an event weighs half, counted back from the last event; None weighs all alike. An outline is drawn as often as its last event weighs.
        structure: Whether a new shopper's sessions, times, kinds of event, repeats and pattern of categories are those of a real user drawn at random and moved in time, to be filled with other items; are nobody's, drawn event by event from tables of what users did where, and filled alike; or are drawn one by one, items too.
        min_users: Users who must have done something for it to be counted by itself; not for outlines, which are of one each.
        jitter: How far gaps of an outline are stretched or shrunk: the standard deviation of the logarithm.
        look_ahead: Items that are tried at most, where an outline's next item is known to follow, until one leads on to such.
        latent_size: Numbers in a latent vector.
        hidden_size: Width of the autoencoder's layers.
        beta: Weight of the autoencoder's divergence from the normal; small leaves users further apart.
        dropout: Share of a user's items that are hidden from the encoder while it learns.
        epochs: Passes of the autoencoder over the users.
        batch_size: Users of an update.
        learning_rate: Highest step size of the autoencoder.
        temperature: Below 1 likely items are drawn more often.
        order: How much it counts where others went next, 0 to 1: of outlines, what the user likes counts to the power of 1 less this; in chains it is the share of steps known to the log that lead where others went, among what the user likes.
        width: Width of the networks that learn how the vectors lie.
        depth: Layers of these.
        loss: How the players are judged: by pairs of a real and a generated pack, or by the distance of their means.
        pack: Users that the critic judges together.
        critic_steps: Steps of the critic for each of the generator; for the Wasserstein loss rather 5.
        penalty: Weight of the penalty on the critic's gradient; for the Wasserstein loss rather 10.
        updates: Training steps of both players together, of `batch_size` packs each.
        average: Decay of the moving average of the generator's weights, which is what samples.
        player_rate: Highest step size of both players.
    """

@overload
def synthesizer(
    name: Literal['gru'],
    *,
    embedding_size: int = 64,
    max_length: int = 50,
    text: str = 'none',
    bins: int = 32,
    negatives: int = 512,
    power: float = 0.5,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    dropout: float = 0.2,
    epochs: int = 20,
    batch_size: int = 2048,
    learning_rate: float = 0.002,
    weight_decay: float = 0.0,
    patience: int = 4,
    validation: float = 0.05,
    hidden_size: int = 64,
    layers: int = 1,
) -> wareloom.synthesis.behaviour.gru.GRU:
    """Shoppers written event by event by gated recurrent units, with heads for time, kind and item.

        embedding_size: Numbers in an item's vector and in the network's state.
        max_length: Events that are read at most.
        text: Embedder of the items' texts, such as tfidf or minilm, of which a learned map is added to the items' vectors, so that items without events are written, too; none learns from behaviour alone.
        bins: Classes of gaps within a session, and as many between sessions, at most.
        negatives: Items drawn for the loss; 0, or a catalogue hardly larger, takes all items into the softmax.
        power: They are drawn by popularity to this power.
        temperature: Below 1 likely items are drawn more often; it is part of what is fitted.
        top_k: New items are drawn among so many of the likeliest; 0 for all.
        top_p: New items are drawn among the fewest that hold this share of the probability; 1 for all.
        dropout: Share of the network's numbers that are left out while it learns.
        epochs: Passes over the log, at most.
        batch_size: Events of an update, padding included.
        learning_rate: Highest step size.
        weight_decay: Decoupled decay of the weights.
        patience: Passes without a better likelihood of the users held back after which training stops; 0 never stops early.
        validation: Share of users held back to stop early; none where it comes to fewer than 20.
        hidden_size: Numbers the network remembers from one event to the next.
        layers: Recurrent layers, one on the other.
    """

@overload
def synthesizer(
    name: Literal['image_augment'],
    *,
    pictures: int = 50000,
    operations: Sequence[str] = ...,
    mixed: float = 0.25,
    strength: float = 1.0,
    off: Mapping[str, Sequence[str]] = ...,
    side: int = 96,
) -> wareloom.synthesis.images.image_augment.ImageAugment:
    """Altered copies of real photos: crop, flip, rotate, background, colour, blur, noise, erase, mixup and cutmix.

        pictures: Real pictures that it learns from, at most; drawn at random where there are more.
        operations: What may be done to a photo, each by chance; in any order of names, done in one order.
        mixed: Share of the pictures that are mixed of two, half by mixup and half by cutmix; 0 mixes none.
        strength: Factor of how often each operation is done; 0 copies photos as they are.
        off: Operations that are not done to photos of a class, by class: {"hat": ["flip"]}; mixup and cutmix, too.
        side: Pixels of the longer side of the pictures that are made, at most.
    """

@overload
def synthesizer(
    name: Literal['image_background'],
    *,
    pictures: int = 50000,
    background: str = 'white',
    backgrounds: Sequence[str] = ...,
    shadow: bool = True,
    label: str = 'Background made by software',
) -> wareloom.synthesis.images.image_background.ImageBackground:
    """Product photos before a background of one's own: a colour, a shading, or a photo; the product stays as it is.

        pictures: Real pictures that it learns from, at most; drawn at random where there are more.
        background: What stands behind: white, grey, black, #RRGGBB, two such colours from top to bottom (#EEEEEE-#CCCCCC), or the file of a photo.
        backgrounds: Others, told likewise, for more pictures than there are photos: all photos before the first, then the next.
        shadow: A soft shadow below the product, drawn beside it alone.
        label: What the strip below the picture says; there is none where it is empty, and the metadata say it still.
    """

@overload
def synthesizer(
    name: Literal['image_diffusion'],
    *,
    pictures: int = 50000,
    side: int = 32,
    minutes: float = 20.0,
    steps: int = 0,
    batch_size: int = 32,
    learning_rate: float = 0.001,
    average: float = 0.999,
    flip: bool = True,
    channels: Sequence[int] = ...,
    denoising: int = 50,
    guidance: float = 1.5,
    folder: str = '',
) -> wareloom.synthesis.images.image_diffusion.ImageDiffusion:
    """Pictures of a class, in a colour and a shape, by diffusion at 32 × 32 or 64 × 64 pixels; for training alone.

        pictures: Real pictures that it learns from, at most; drawn at random where there are more.
        side: Pixels of a side: 16, 32, 48 or 64.
        minutes: How long it learns; the same seed then gives other bytes on a faster machine.
        steps: Updates, instead of minutes; 0 keeps to the minutes.
        batch_size: Pictures of an update.
        learning_rate: Step size, reached after 100 updates.
        average: Decay of the average of the weights.
        flip: Learn from mirrored pictures, too; not where left and right differ, as in writing.
        channels: Width of the network at each of its resolutions.
        denoising: Steps from noise to picture; 10 are five times as fast and less fine.
        guidance: How far the difference that the class makes is followed: 1 as learned, more for plainer pictures.
        folder: A folder of a text-to-image model in diffusers' layout, which is taught by LoRA; needs a GPU.
    """

@overload
def synthesizer(
    name: Literal['image_gan'],
    *,
    pictures: int = 50000,
    side: int = 32,
    minutes: float = 20.0,
    steps: int = 0,
    batch_size: int = 64,
    learning_rate: float = 0.0004,
    average: float = 0.995,
    flip: bool = True,
    width: int = 32,
    latent_size: int = 64,
) -> wareloom.synthesis.images.image_gan.ImageGAN:
    """Pictures of a class by a generator against a critic with the hinge loss; for training alone.

        pictures: Real pictures that it learns from, at most; drawn at random where there are more.
        side: Pixels of a side: 16, 32, 48 or 64.
        minutes: How long it learns; the same seed then gives other bytes on a faster machine.
        steps: Updates of both players together, instead of minutes; 0 keeps to the minutes.
        batch_size: Pictures of an update.
        learning_rate: Step size of the critic, reached after 100 updates; the generator's is half of it (Heusel et al. 2017).
        average: Decay of the average of the generator's weights.
        flip: Learn from mirrored pictures, too; not where left and right differ, as in writing.
        width: Channels of the layer at full size; smaller ones have more.
        latent_size: Numbers of noise that a picture is made of.
    """

@overload
def synthesizer(
    name: Literal['image_vae'],
    *,
    pictures: int = 50000,
    side: int = 32,
    minutes: float = 20.0,
    steps: int = 0,
    batch_size: int = 64,
    learning_rate: float = 0.001,
    average: float = 0.995,
    flip: bool = True,
    width: int = 32,
    latent_size: int = 64,
) -> wareloom.synthesis.images.image_vae.ImageVAE:
    """Pictures of a class by a conditional variational autoencoder; for training alone.

        pictures: Real pictures that it learns from, at most; drawn at random where there are more.
        side: Pixels of a side: 16, 32, 48 or 64.
        minutes: How long it learns; the same seed then gives other bytes on a faster machine.
        steps: Updates, instead of minutes; 0 keeps to the minutes.
        batch_size: Pictures of an update.
        learning_rate: Step size, reached after 100 updates.
        average: Decay of the average of the weights.
        flip: Learn from mirrored pictures, too; not where left and right differ, as in writing.
        width: Channels of the layer at full size; smaller ones have more.
        latent_size: Numbers that a picture is laid out by.
    """

@overload
def synthesizer(
    name: Literal['independent'],
    *,
    window: int = 2,
    decay: float = 0.5,
    half_life: float | None = None,
    structure: Literal['outline', 'chain'] = 'chain',
    min_users: int = 1,
    jitter: float = 0.2,
    look_ahead: int = 15,
) -> wareloom.synthesis.behaviour.independent.Independent:
    """Shoppers with real activity and real clocks whose items know nothing of one another: a control arm.

        window: Items this many places apart still count as following one another; for chains.
        decay: Factor on a pair's weight for each further place apart; for chains.
        half_life: Days after which an event weighs half, counted back from the last event; None weighs all alike. An outline is drawn as often as its last event weighs.
        structure: Drawn one by one: an outline would keep categories together.
        min_users: Users who must have done something for it to be counted by itself; not for outlines, which are of one each.
        jitter: How far gaps of an outline are stretched or shrunk: the standard deviation of the logarithm.
        look_ahead: Items that are tried at most, where an outline's next item is known to follow, until one leads on to such.
    """

@overload
def synthesizer(
    name: Literal['joint'],
    *,
    members: Sequence[str] = ...,
    member_settings: Mapping[str, Mapping[str, Any]] = ...,
    weights: Mapping[str, float | Mapping[str, float]] = ...,
    slices: int = 3,
    ranker: str = 'transitions',
    ranker_settings: Mapping[str, Any] = ...,
    k: int = 10,
    validation: float = 0.5,
    held: int = 20000,
) -> wareloom.synthesis.behaviour.joint.Joint:
    """Shoppers of several generators, of each in the slices of popularity where it helped a ranker most.

        members: The synthesizers that are put together.
        member_settings: Settings by member, where they are not the defaults.
        weights: Weights by member, or by member and slice; where none is given they are learned.
        slices: Slices of the catalogue by popularity, of as many events each: head, middle and tail.
        ranker: The ranker that members are judged by.
        ranker_settings: Its settings, where they are not the defaults.
        k: Length of the list that is judged.
        validation: Share of the real users whose last events are held back.
        held: Users, at most, whose last events are held back.
    """

@overload
def synthesizer(
    name: Literal['judge'],
    *,
    queries: str = 'attributes',
    query_settings: Mapping[str, Any] = ...,
    retriever: str = 'bm25',
    retriever_settings: Mapping[str, Any] = ...,
    round_trip: int = 50,
    graded: int = 8,
    near: int = 10,
    far: int = 100,
    min_confidence: float = 0.0,
    model: str = 'embedded',
    model_settings: Mapping[str, Any] = ...,
    by: Literal['score', 'text'] = 'score',
    votes: int = 1,
    examples: int = 4,
    temperature: float = 0.7,
    rubric: str = "Judge how well a product answers what a shopper typed into a shop's search box. yes: it is exactly what is looked for. mostly: it is the right kind of thing, and nearly all that was asked for fits. partly: it has to do with it, or goes with it. no: it is something else.",
) -> wareloom.synthesis.labels.judge.Judge:
    """Ask a text model for the grade, with a rubric and a few graded pairs.

        queries: The synthesizer that writes the queries.
        query_settings: Its settings.
        retriever: The ranker of search that finds products for a query.
        retriever_settings: Its settings.
        round_trip: Place at which the product that was meant has to be found; 0 keeps every query.
        graded: Products graded for each query beside the one that was meant.
        near: Half of them are drawn among so many first found …
        far: … and half among the others of so many.
        min_confidence: Confidence, from 0 to 1, below which no label is given.
        model: The text model that is asked: embedded, huggingface, endpoint, or package.module:Class.
        model_settings: Its settings.
        by: Whether the model's probabilities or its answers are taken.
        votes: How often each pair is asked, each time with the examples in another order.
        examples: Graded pairs that are shown.
        temperature: Temperature of the answers of "text", where there are several votes.
        rubric: What the grades mean.
    """

@overload
def synthesizer(
    name: Literal['lexical'],
    *,
    queries: str = 'attributes',
    query_settings: Mapping[str, Any] = ...,
    retriever: str = 'bm25',
    retriever_settings: Mapping[str, Any] = ...,
    round_trip: int = 50,
    graded: int = 8,
    near: int = 10,
    far: int = 100,
    min_confidence: float = 0.0,
    strictness: float = 1.0,
    elsewhere: float = 0.35,
    absent: float = 0.3,
    fields: str = 'title category brand',
) -> wareloom.synthesis.labels.lexical.Lexical:
    """Grade by how much of the query the product's text holds, and by whether it is the thing that is looked for.

        queries: The synthesizer that writes the queries.
        query_settings: Its settings.
        retriever: The ranker of search that finds products for a query.
        retriever_settings: Its settings.
        round_trip: Place at which the product that was meant has to be found; 0 keeps every query.
        graded: Products graded for each query beside the one that was meant.
        near: Half of them are drawn among so many first found …
        far: … and half among the others of so many.
        min_confidence: Confidence, from 0 to 1, below which no label is given.
        strictness: Above 1 a missing word costs more.
        elsewhere: What is taken off where the head noun stands elsewhere in the text.
        absent: What is left where the head noun is missing.
        fields: Columns of items that are read; those a shop lacks are passed over.
    """

@overload
def synthesizer(
    name: Literal['markov'],
    *,
    window: int = 2,
    decay: float = 0.5,
    half_life: float | None = None,
    structure: Literal['outline', 'learned', 'chain'] = 'outline',
    min_users: int = 1,
    jitter: float = 0.2,
    look_ahead: int = 15,
) -> wareloom.synthesis.behaviour.markov.Markov:
    """Shoppers that walk from item to item as real ones did, backing off where little is known.

        window: Items this many places apart still count as following one another; for chains.
        decay: Factor on a pair's weight for each further place apart; for chains.
        half_life: Days after which an event weighs half, counted back from the last event; None weighs all alike. An outline is drawn as often as its last event weighs.
        structure: Whether a new shopper's sessions, times, kinds of event, repeats and pattern of categories are those of a real user drawn at random and moved in time, to be filled with other items; are nobody's, drawn event by event from tables of what users did where, and filled alike; or are drawn one by one, items too.
        min_users: Users who must have done something for it to be counted by itself; not for outlines, which are of one each.
        jitter: How far gaps of an outline are stretched or shrunk: the standard deviation of the logarithm.
        look_ahead: Items that are tried at most, where an outline's next item is known to follow, until one leads on to such.
    """

@overload
def synthesizer(
    name: Literal['neighbours'],
    *,
    window: int = 2,
    decay: float = 0.5,
    half_life: float | None = None,
    structure: Literal['outline', 'learned', 'chain'] = 'outline',
    min_users: int = 1,
    jitter: float = 0.2,
    look_ahead: int = 15,
    ranker: Literal['item_knn', 'ease', 'als', 'transitions'] = 'item_knn',
    ranker_settings: Mapping[str, Any] = ...,
    neighbours: int = 100,
    top: int = 20,
    temperature: float = 0.5,
    uniform: float = 0.0,
) -> wareloom.synthesis.behaviour.neighbours.Neighbours:
    """Shoppers that walk where one ranker of behaviour would send them: item-kNN, EASE, ALS or transitions.

        window: Items this many places apart still count as following one another; for chains.
        decay: Factor on a pair's weight for each further place apart; for chains.
        half_life: Days after which an event weighs half, counted back from the last event; None weighs all alike. An outline is drawn as often as its last event weighs.
        structure: Whether a new shopper's sessions, times, kinds of event, repeats and pattern of categories are those of a real user drawn at random and moved in time, to be filled with other items; are nobody's, drawn event by event from tables of what users did where, and filled alike; or are drawn one by one, items too.
        min_users: Users who must have done something for it to be counted by itself; not for outlines, which are of one each.
        jitter: How far gaps of an outline are stretched or shrunk: the standard deviation of the logarithm.
        look_ahead: Items that are tried at most, where an outline's next item is known to follow, until one leads on to such.
        ranker: What is walked.
        ranker_settings: Its settings, where they are not the defaults.
        neighbours: Items kept for each item of EASE and ALS.
        top: Best items among which the next one is drawn.
        temperature: Below 1 the best items are drawn more often, above 1 all of the `top` alike.
        uniform: Share of walks that begin anywhere in the catalogue instead of where real users begin.
    """

@overload
def synthesizer(
    name: Literal['private_walk'],
    *,
    epsilon: float = 3.0,
    delta: float = 1e-06,
    public: Sequence[str] = ...,
    preset: Literal['teaching', 'faithful'] = 'teaching',
    bound: int = 10,
    shoppers: int = 0,
    neighbours: int = 64,
    noise_seed: int | None = None,
) -> wareloom.synthesis.behaviour.private_walk.PrivateWalk:
    """Shoppers made of public texts and noisy counts alone, which are paid for out of the shop's privacy budget.

        epsilon: What the release may spend; 1 to 3 is usual.
        delta: At most 1 / (10 · users).
        public: Columns of items that anybody may see, such as items.title; without any, only items that enough users have appear.
        preset: What samples are for: to teach rankers (steps to near items), or to look like the log (items, categories).
        bound: Rows of a user that count, over all tables; 0 pays for it, as the quantile .9.
        shoppers: How many users the shop has, where that is public; 0 pays for it. δ is held against it.
        neighbours: Nearest public texts of each item that steps may go to.
        noise_seed: For tests, and for proofs inside: noise of the same strength from this seed and the run's, so that each seed of a proof draws its own. Nothing is taken from the budget, and samples are not private.
    """

@overload
def synthesizer(
    name: Literal['prompted'],
    *,
    model: str = 'embedded',
    model_settings: Mapping[str, Any] = ...,
    mix: Mapping[str, float] = ...,
    personas: Sequence[str] = ...,
    seasons: Sequence[str] = ...,
    examples: int = 3,
    temperature: float = 0.8,
    top_p: float = 0.95,
    max_tokens: int = 24,
    block: Sequence[str] = ...,
) -> wareloom.synthesis.queries.prompted.Prompted:
    """Ask a text model for a query of a drawn kind, showing it a few products with their queries.

        model: The text model that is asked: embedded, huggingface, endpoint, or package.module:Class.
        model_settings: Its settings.
        mix: Shares of the kinds of query: broad, specific, attribute, use, question, comparison, misspelt.
        personas: Who is looking, drawn for each query: "a student", "a professional plumber"; nobody in particular where empty.
        seasons: When, drawn for each query: "before Christmas"; at no time in particular where empty.
        examples: Products with queries that are shown.
        temperature: Above 1 answers are freer, below 1 stricter.
        top_p: Share of the likeliest words that are drawn from.
        max_tokens: Pieces of words an answer has at most.
        block: Words that no query may have.
    """

@overload
def synthesizer(
    name: Literal['search_log'],
    *,
    labels: str = 'lexical',
    label_settings: Mapping[str, Any] = ...,
    shown: int = 10,
    clicks: Literal['position', 'cascade'] = 'position',
    bias: float = 1.0,
    noise: float = 0.05,
    satisfied: float = 0.8,
    again: float = 0.5,
    tries: int = 3,
) -> wareloom.synthesis.searches.search_log.SearchLog:
    """Let shoppers search: each wants one product, types a query for it, is shown what a ranker finds, and clicks.

        labels: The synthesizer of labels that writes the queries, finds and grades.
        label_settings: Its settings; the queries' and the ranker's among them.
        shown: Items shown for each query.
        clicks: How shoppers read a list.
        bias: How soon attention falls with the place where no impressions say.
        noise: Attraction of what is irrelevant.
        satisfied: Chance that somebody who clicked what attracts fully looks no further; of "cascade".
        again: Chance that somebody who clicked nothing tries another query.
        tries: Queries of a session at most.
    """

@overload
def synthesizer(
    name: Literal['shuffled'],
) -> wareloom.synthesis.behaviour.shuffled.Shuffled:
    """Real users' events with the items permuted over all of them: every marginal is kept, all knowledge is gone.
    """

@overload
def synthesizer(
    name: Literal['spans'],
    *,
    longest: int = 5,
) -> wareloom.synthesis.queries.spans.Spans:
    """Cut 1 to `longest` neighbouring words out of a title, any number and any place as likely as another.

        longest: Words of a query at most.
    """

@overload
def synthesizer(
    name: Literal['teacher'],
    *,
    window: int = 2,
    decay: float = 0.5,
    half_life: float | None = None,
    structure: Literal['outline', 'learned', 'chain'] = 'outline',
    min_users: int = 1,
    jitter: float = 0.2,
    look_ahead: int = 15,
    members: Sequence[str] = ...,
    member_settings: Mapping[str, Mapping[str, Any]] = ...,
    weights: Mapping[str, float] = ...,
    neighbours: int = 0,
    top: int = 20,
    temperature: float = 0.3,
    uniform: float = 0.3,
    other_shops: Sequence[str] = ...,
    other_weight: float = 1.0,
    alike: int = 5,
) -> wareloom.synthesis.behaviour.teacher.Teacher:
    """Shoppers that walk where an ensemble of rankers would send them.

        window: Items this many places apart still count as following one another; for chains.
        decay: Factor on a pair's weight for each further place apart; for chains.
        half_life: Days after which an event weighs half, counted back from the last event; None weighs all alike. An outline is drawn as often as its last event weighs.
        structure: Whether a new shopper's sessions, times, kinds of event, repeats and pattern of categories are those of a real user drawn at random and moved in time, to be filled with other items; are nobody's, drawn event by event from tables of what users did where, and filled alike; or are drawn one by one, items too.
        min_users: Users who must have done something for it to be counted by itself; not for outlines, which are of one each.
        jitter: How far gaps of an outline are stretched or shrunk: the standard deviation of the logarithm.
        look_ahead: Items that are tried at most, where an outline's next item is known to follow, until one leads on to such.
        members: The rankers of the ensemble; each must add up rows of a table over the history, as transitions, item_knn, ease, als, text_knn, image_knn and complements do. Of ease and als only each item's highest neighbours are walked.
        member_settings: Settings by member, where they are not the defaults.
        weights: Weights by member, and of "popularity"; where none is given they are learned.
        neighbours: Highest entries of each row of the members' tables that a walk adds up; 0 takes all. A hundred walk twice as fast, and teach a little less: what several events hint at weakly is lost.
        top: Best items among which the next one is drawn.
        temperature: Below 1 the best items are drawn more often, above 1 all of the `top` alike.
        uniform: Share of walks that begin anywhere in the catalogue instead of where real users begin.
        other_shops: Folders of other shops that are learned from as well, through the texts of their items and these.
        other_weight: What an event of another shop weighs beside one of this shop's.
        alike: Items here that read most like one of another shop, among which its translation is drawn.
    """

@overload
def synthesizer(
    name: Literal['transformer'],
    *,
    embedding_size: int = 64,
    max_length: int = 50,
    text: str = 'none',
    bins: int = 32,
    negatives: int = 512,
    power: float = 0.5,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    dropout: float = 0.2,
    epochs: int = 20,
    batch_size: int = 2048,
    learning_rate: float = 0.002,
    weight_decay: float = 0.0,
    patience: int = 4,
    validation: float = 0.05,
    layers: int = 2,
    heads: int = 2,
) -> wareloom.synthesis.behaviour.transformer.Transformer:
    """Shoppers written event by event by causal self-attention over typed events, with heads for time, kind and item.

        embedding_size: Numbers in an item's vector and in the network's state.
        max_length: Events that are read at most.
        text: Embedder of the items' texts, such as tfidf or minilm, of which a learned map is added to the items' vectors, so that items without events are written, too; none learns from behaviour alone.
        bins: Classes of gaps within a session, and as many between sessions, at most.
        negatives: Items drawn for the loss; 0, or a catalogue hardly larger, takes all items into the softmax.
        power: They are drawn by popularity to this power.
        temperature: Below 1 likely items are drawn more often; it is part of what is fitted.
        top_k: New items are drawn among so many of the likeliest; 0 for all.
        top_p: New items are drawn among the fewest that hold this share of the probability; 1 for all.
        dropout: Share of the network's numbers that are left out while it learns.
        epochs: Passes over the log, at most.
        batch_size: Events of an update, padding included.
        learning_rate: Highest step size.
        weight_decay: Decoupled decay of the weights.
        patience: Passes without a better likelihood of the users held back after which training stops; 0 never stops early.
        validation: Share of users held back to stop early; none where it comes to fewer than 20.
        layers: Layers of self-attention.
        heads: Attention heads; they divide `embedding_size`.
    """

@overload
def synthesizer(
    name: Literal['tuned'],
    *,
    model: str = 'embedded',
    model_settings: Mapping[str, Any] = ...,
    tuning: Literal['lora', 'adalora', 'adapter', 'prefix', 'full'] = 'lora',
    tuning_size: int = 8,
    merged: bool = True,
    queries: str = 'attributes',
    query_settings: Mapping[str, Any] = ...,
    training_queries: int = 2000,
    min_real_queries: int = 50,
    by_category: bool = True,
    longest: int = 160,
    pretrain_epochs: int = 0,
    epochs: int = 2,
    batch_size: int = 16,
    learning_rate: float = 0.0,
    weight_decay: float = 0.0,
    patience: int = 3,
    validation: float = 0.05,
    temperature: float = 1.0,
    top_p: float = 0.95,
    max_tokens: int = 24,
    tries: int = 4,
    penalty: float = 2.0,
    title_penalty: float = 0.0,
    block: Sequence[str] = ...,
) -> wareloom.synthesis.queries.tuned.Tuned:
    """Tune a text model on products and their queries, and let it write queries for any product of the shop.

        model: The text model that is tuned: embedded, huggingface, or package.module:Class of a local one.
        model_settings: Its settings.
        tuning: Which weights are learned: those of LoRA, AdaLoRA, bottleneck adapters or a prefix, or all.
        tuning_size: Rank of LoRA, mean rank AdaLoRA ends with, width of an adapter, length of a prefix.
        merged: Whether LoRA is folded into the weights for sampling, which is faster; kept apart otherwise.
        queries: The synthesizer that is learned from where the shop has too few real queries.
        query_settings: Its settings.
        training_queries: Queries it writes for that.
        min_real_queries: Real queries with a product from which the shop's own are learned from.
        by_category: Whether a product's category is read beside its title, where the shop has categories.
        longest: Bytes of a title that are read: a Latin letter is one, a Chinese sign three.
        pretrain_epochs: Passes over the shop's titles before, by causal pre-training of what is tuned.
        epochs: Passes over the pairs, at most.
        batch_size: Pairs an update.
        learning_rate: Highest step size; 0 takes one that suits the tuning.
        weight_decay: Decoupled decay of the weights.
        patience: Evaluations, of ten in all, without a better value after which training stops; 0 never stops early.
        validation: Share of products held out, with all pairs of their queries; none where it comes to fewer than 20 pairs.
        temperature: Above 1 queries are freer, below 1 stricter.
        top_p: Share of the likeliest words that are drawn from.
        max_tokens: Pieces of words a query has at most.
        tries: Queries drawn for a product, of which one is taken.
        penalty: What likeness to earlier queries of a kind of product takes off the mean log-probability; 0 nothing.
        title_penalty: What a query takes off that whose words all stand in its title; half of them half. 0 nothing.
        block: Words that no query may have.
    """

@overload
def synthesizer(
    name: Literal['utterances'],
    *,
    lent: bool = True,
    pseudo_labels: Literal['none', 'windows', 'minilm'] = 'none',
) -> wareloom.synthesis.dialogues.utterances.Utterances:
    """Say again what customers said, in other words: one utterance a dialogue, with its intent and slots.

        lent: Whether texts whose intents nobody knows lend beginnings.
        pseudo_labels: Taggers that mark slots in texts that nobody labelled, taught by the labelled ones; these are said again, too. They see words (windows), or what all-MiniLM-L6-v2 makes of them (extra `text`).
    """

@overload
def synthesizer(
    name: Literal['vae'],
    *,
    window: int = 2,
    decay: float = 0.5,
    half_life: float | None = None,
    structure: Literal['outline', 'learned', 'chain'] = 'outline',
    min_users: int = 1,
    jitter: float = 0.2,
    look_ahead: int = 15,
    latent_size: int = 64,
    hidden_size: int = 128,
    beta: float = 0.2,
    dropout: float = 0.5,
    epochs: int = 30,
    batch_size: int = 256,
    learning_rate: float = 0.002,
    temperature: float = 1.0,
    order: float = 0.5,
    anneal: float = 0.5,
    latent: Literal['users', 'prior'] = 'users',
) -> wareloom.synthesis.behaviour.vae.VAE:
    """Shoppers whose items are drawn together from a latent vector: a multinomial autoencoder with an annealed prior.

        window: Items this many places apart still count as following one another; for chains.
        decay: Factor on a pair's weight for each further place apart; for chains.
        half_life: Days after which an event weighs half, counted back from the last event; None weighs all alike. An outline is drawn as often as its last event weighs.
        structure: Whether a new shopper's sessions, times, kinds of event, repeats and pattern of categories are those of a real user drawn at random and moved in time, to be filled with other items; are nobody's, drawn event by event from tables of what users did where, and filled alike; or are drawn one by one, items too.
        min_users: Users who must have done something for it to be counted by itself; not for outlines, which are of one each.
        jitter: How far gaps of an outline are stretched or shrunk: the standard deviation of the logarithm.
        look_ahead: Items that are tried at most, where an outline's next item is known to follow, until one leads on to such.
        latent_size: Numbers in a latent vector.
        hidden_size: Width of the autoencoder's layers.
        beta: Weight of the divergence at the end; 1 is the evidence bound.
        dropout: Share of a user's items that are hidden from the encoder while it learns.
        epochs: Passes of the autoencoder over the users.
        batch_size: Users of an update.
        learning_rate: Highest step size of the autoencoder.
        temperature: Below 1 likely items are drawn more often.
        order: How much it counts where others went next, 0 to 1: of outlines, what the user likes counts to the power of 1 less this; in chains it is the share of steps known to the log that lead where others went, among what the user likes.
        anneal: Share of the training over which `beta` rises from 0.
        latent: Whether a shopper starts from a real user's vector, close to the shop, or from the prior, far from users.
    """

@overload
def synthesizer(name: type[S], **settings: Any) -> S: ...

@overload
def synthesizer(name: str) -> wareloom.synthesis.Synthesizer: ...

@overload
def ranker(
    name: Literal['als'],
    *,
    embedding_size: int = 128,
    regularization: float = 0.1,
    alpha: float = 40.0,
    epochs: int = 15,
    decay: float = 0.7,
) -> wareloom.rankers.factor.als.ALS:
    """Factorise users × items by alternating least squares; a request's user vector is solved from its history.

        embedding_size: Length of the vector of each item.
        regularization: Penalty on the squared length of the vectors.
        alpha: Confidence an event of weight 1 adds.
        epochs: Rounds over users and items.
        decay: Factor for each step back in the history that is scored; 1 counts all events alike.
    """

@overload
def ranker(
    name: Literal['attributes'],
    *,
    facets: str = 'brand category parent price',
    bands: int = 8,
    smoothing: float = 5.0,
    decay: float = 0.6,
    prior: float = 0.5,
) -> wareloom.rankers.content.attributes.Attributes:
    """Score items by how much more their brand, category and price band are in the history than among all events.

        facets: What is looked at, with weights if wanted, as in "brand^2 price": brand, category (the whole path), parent (the path without its last part), price (a band). Those that the shop lacks are passed over.
        bands: Price bands, of about equally many items each.
        smoothing: Events, spread as all events are, that are added to every history.
        decay: Factor for each step back in the history that is scored; 1 counts all events alike.
        prior: Weight of the item's own popularity beside the facets; above 0, so that an empty history has an order.
    """

@overload
def ranker(
    name: Literal['bert4rec'],
    *,
    embedding_size: int = 64,
    dropout: float = 0.4,
    max_length: int = 50,
    loss: Literal['softmax', 'gbce'] = 'softmax',
    calibration: float = 0.75,
    negatives: int = 512,
    power: float = 0.5,
    text: str = 'none',
    text_as: Literal['features', 'start'] = 'features',
    events: str = '',
    start_from: str = '',
    epochs: int = 80,
    batch_size: int = 2048,
    accumulate: int = 1,
    learning_rate: float = 0.002,
    schedule: Literal['cosine', 'constant'] = 'cosine',
    weight_decay: float = 0.0,
    patience: int = 20,
    validation: float = 0.05,
    layers: int = 2,
    heads: int = 2,
    mask: float = 0.2,
    objective: Literal['masked', 'next'] = 'masked',
) -> wareloom.rankers.sequence.bert4rec.BERT4Rec:
    """Guess masked items from what stands on both sides of them; what comes next is a mask behind the history.

        embedding_size: Numbers an item is described by.
        dropout: Share of activations dropped in training.
        max_length: Latest events of a history that are read.
        loss: Cross-entropy over items, or generalised binary cross-entropy (gSASRec).
        calibration: For gbce: 0 is the plain binary loss, 1 as calibrated as the softmax.
        negatives: Items drawn for the loss; 0, or a catalogue hardly larger, takes all items into the softmax.
        power: Negatives of the softmax are drawn by popularity to this power; those of gbce uniformly.
        text: Embedder of the items' texts, such as tfidf or minilm; none learns from behaviour alone.
        text_as: Whether a learned map of the text is part of each item's vector, or is where the learned vectors start.
        events: What each kind of event counts as a target, as in "view_item=0.2 purchase=1"; others are only read. Where set, the network is told the kinds of what it reads. Empty: all count alike.
        start_from: Folder of a saved ranker of the same kind, perhaps of another shop, whose weights the training starts from; items are matched by their ids, and by their text where it is used as features.
        epochs: Passes over the log, at most.
        batch_size: Events a batch, padding included.
        accumulate: Batches whose gradients are added up before each update.
        learning_rate: Highest step size.
        schedule: What the learning rate does after the warm-up.
        weight_decay: Decoupled decay of the weights.
        patience: Evaluations without a better validation value after which training stops; 0 never stops early.
        validation: Share of users whose last event stops the training early; none where it comes to fewer than 20.
        layers: Layers of self-attention.
        heads: Attention heads; they divide `embedding_size`.
        mask: Share of items that are masked.
        objective: Whether items anywhere are masked, or only what comes next: to fine-tune what was trained with masks anywhere.
    """

@overload
def ranker(
    name: Literal['bi_encoder'],
    *,
    fields: str = 'title category brand',
    spelling: bool = False,
    wishes: bool = False,
    personal: float = 0.0,
    behaviour: str = 'item_knn',
    model: str = '',
    tuning: Literal['none', 'lora', 'adapter', 'prefix', 'full'] = 'lora',
    tuning_size: int = 16,
    learn_from: Literal['both', 'judgments', 'events'] = 'both',
    relevant: float = 2.0,
    negatives: int = 1,
    history: int = 5,
    longest: int = 64,
    correct: bool = True,
    temperature: float = 0.05,
    dropout: float = 0.0,
    epochs: int = 2,
    batch_size: int = 64,
    learning_rate: float = 0.0,
    weight_decay: float = 0.0,
    patience: int = 4,
    validation: float = 0.05,
    anchor: float = 0.0,
    strength: float | Literal['auto', 'agreed'] = 'auto',
) -> wareloom.rankers.learned.bi_encoder.BiEncoder:
    """Score items by the inner product of a trained encoder's unit vectors of the request and of the item's text.

        fields: Columns of items that are read, some of title, category, brand, attributes and description; those that are missing are passed over. With weights, as in "title^2 brand", a word there counts so often.
        spelling: Whether words of a query that hardly an item has are taken for slips and corrected by those items have. Needs the extra `text`.
        wishes: Whether "under $50" and "给女儿" are read as what it may cost and for whom it is: items of another price stand below all others, those without a price stay.
        personal: Weight of the history's items beside the query, both in units of their spread; 0 answers everybody alike.
        behaviour: The ranker that says what goes with a history, where there is a weight.
        model: A folder with another encoder: config.json, tokenizer and weights; empty for all-MiniLM-L6-v2, of English.
        tuning: Which weights are learned: none, those of LoRA, of bottleneck adapters or of a prefix, or all of the encoder.
        tuning_size: Rank of LoRA, width of an adapter, length of a prefix.
        learn_from: What is learned from where a shop has it.
        relevant: The grade, of 0 to 3, from which a judged item is right; lower ones of its query are what it is told from.
        negatives: Items judged lower that each judged item is compared with, drawn anew in each pass.
        history: Latest items of a history that are read.
        longest: Pieces of words that a text is cut to.
        correct: Whether other requests' items count less the likelier they are to be in a batch (logQ correction).
        temperature: What inner products are divided by at first; it is learned where the encoder is tuned.
        dropout: Share of activations dropped in training.
        epochs: Passes over the pairs, at most.
        batch_size: Pairs a batch.
        learning_rate: Highest step size; 0 takes one that suits the tuning.
        weight_decay: Decoupled decay of the weights.
        patience: Evaluations, of ten in all, without a better value after which training stops; 0 never stops early.
        validation: Share of queries and users that stop the training early; none where it comes to fewer than 20.
        anchor: Weight, in training, of how far the order of a batch's items moves from that of the encoder as it comes.
        strength: Share of the way from the encoder as it comes to the tuned one, in its weights. auto goes all of it where any judgment or event is real, three tenths where none is: the whole way loses on a shop that the encoder knows well already. agreed goes as far as its first ten agree best with those by words on the queries of the shop's searches; as auto where it has no fifty of them.
    """

@overload
def ranker(
    name: Literal['blend'],
    *,
    collaborative: Sequence[str] = ...,
    content: Sequence[str] = ...,
    member_settings: Mapping[str, Mapping[str, Any]] = ...,
    embedder: str = 'tfidf',
    embedding_size: int = 64,
    hidden: int = 16,
    decay: float = 0.7,
    kl: float = 0.1,
    weight_decay: float = 1.0,
    learning_rate: float = 0.001,
    epochs: int = 10,
    batch_size: int = 64,
    candidates: int = 100,
    held: int = 5000,
) -> wareloom.rankers.hybrid.blend.Blend:
    """Mix the scores of collaborative and content rankers with weights that hang on the texts of request and item.

        collaborative: The rankers that know behaviour; their weights are shares of 1.
        content: The rankers that know the items; their weights are free.
        member_settings: Settings by member, where they are not the defaults.
        embedder: What makes the vectors of the texts: "tfidf", "minilm" or another embedder.
        embedding_size: Numbers a text is described by.
        hidden: Numbers that a and b have each.
        decay: Factor for each step back in the history that q is the mean of.
        kl: Weight of the divergence from the collaborative members alone.
        weight_decay: Decoupled decay of the maps, W and V, but not of their constants.
        learning_rate: Highest step size.
        epochs: Passes over the held-back events.
        batch_size: Requests an update.
        candidates: Items of each member that are mixed.
        held: Users, at most, whose last events are learned from.
    """

@overload
def ranker(
    name: Literal['bm25'],
    *,
    fields: str = 'title category brand',
    spelling: bool = False,
    wishes: bool = False,
    personal: float = 0.0,
    behaviour: str = 'item_knn',
    k1: float = 1.2,
    b: float = 0.75,
    delta: float = 1.0,
    stem: bool = True,
    sizes: bool = True,
    pairs: float = 0.15,
    expansion: float = 0.0,
) -> wareloom.rankers.search.bm25.BM25:
    """Add up, over the words of the query, how rare each is and how much of the item's text it makes up.

        fields: Columns of items that are read, some of title, category, brand, attributes and description; those that are missing are passed over. With weights, as in "title^2 brand", a word there counts so often.
        spelling: Whether words of a query that hardly an item has are taken for slips and corrected by those items have. Needs the extra `text`.
        wishes: Whether "under $50" and "给女儿" are read as what it may cost and for whom it is: items of another price stand below all others, those without a price stay.
        personal: Weight of the history's items beside the query, both in units of their spread; 0 answers everybody alike.
        behaviour: The ranker that says what goes with a history, where there is a weight.
        k1: How soon more mentions of a word stop counting; 0 counts the first alone.
        b: How far long texts are held against their items: 0 not at all, 1 in full.
        delta: What it counts that a word is there at all, however long the text: a long title that holds all words of a query is then not put behind a short one that holds some. 0 is BM25 as it was.
        stem: Whether English plurals are taken for their singular.
        sizes: Whether "36" finds "36 in.", "2x4" finds "2 in. x 4 in.", and "dw705" finds "DW705-2".
        pairs: Weight of two words side by side beside one word; 0 looks at single words alone.
        expansion: Mentions that a word is worth which all queries of an item use and its text lacks, by the judgments of grade 2 and more; fewer where some of them use it. 0 reads no judgment.
    """

@overload
def ranker(
    name: Literal['bm25_runs'],
    *,
    fields: str = 'title category brand',
    spelling: bool = False,
    wishes: bool = False,
    personal: float = 0.0,
    behaviour: str = 'item_knn',
    size: int = 3,
    k1: float = 0.3,
    b: float = 0.3,
) -> wareloom.rankers.search.bm25_runs.BM25Runs:
    """Add up, over the runs of `size` characters of the query, how rare each is and how much of the text it makes up.

        fields: Columns of items that are read, some of title, category, brand, attributes and description; those that are missing are passed over. With weights, as in "title^2 brand", a word there counts so often.
        spelling: Whether words of a query that hardly an item has are taken for slips and corrected by those items have. Needs the extra `text`.
        wishes: Whether "under $50" and "给女儿" are read as what it may cost and for whom it is: items of another price stand below all others, those without a price stay.
        personal: Weight of the history's items beside the query, both in units of their spread; 0 answers everybody alike.
        behaviour: The ranker that says what goes with a history, where there is a weight.
        size: Characters of a run.
        k1: How soon more mentions of a run stop counting; 0 counts the first alone.
        b: How far long texts are held against their items: 0 not at all, 1 in full.
    """

@overload
def ranker(
    name: Literal['boosting'],
    *,
    calibration: Literal['none', 'platt', 'isotonic'] = 'none',
    validation: float = 0.1,
    negatives: int = 4,
    negative_rate: float = 1.0,
    max_rows: int = 2000000,
    min_count: int = 1,
    trees: int = 100,
    leaves: int = 15,
    learning_rate: float = 0.05,
    min_rows: int = 20,
    regularization: float = 10.0,
    patience: int = 20,
) -> wareloom.rankers.clicks.boosting.Boosting:
    """Add up small trees over codes (as categories) and numbers, each fitted to the gradient of the log loss.

        calibration: How probabilities are made right on a held-back share of training.
        validation: Share of users (or sessions) held back for calibration and for stopping early; none where neither is wanted.
        negatives: Items drawn beside each interaction, where the shop has no impressions.
        negative_rate: Share of impressions without a click that are learnt from; probabilities are corrected for it.
        max_rows: Rows learnt from at most: of more, fewer unclicked ones, or fewer interactions, are taken at random.
        min_count: Values that fewer training rows have count as unknown.
        trees: Trees that are added up, at most; 20 where too few clicks are held back to know when to stop.
        leaves: Leaves of a tree at most.
        learning_rate: Share of each tree that counts.
        min_rows: Rows a leaf has at least.
        regularization: Penalty on the squared values of leaves.
        patience: Trees without a better held-back log loss after which no more are added; 0 never stops early.
    """

@overload
def ranker(
    name: Literal['bpr'],
    *,
    embedding_size: int = 64,
    epochs: int = 40,
    learning_rate: float = 0.05,
    regularization: float = 0.002,
    negatives: int = 32,
    decay: float = 0.7,
    last: int = 20,
) -> wareloom.rankers.factor.bpr.BPR:
    """Score items by the inner product of their vectors with the mean of the history's vectors, trained by pairs.

        embedding_size: Length of each of the two vectors of an item.
        epochs: Passes over the events.
        learning_rate: Step size of AdaGrad.
        regularization: Penalty on the squared length of the vectors that an update touches.
        negatives: Items drawn an update, of which the highest scoring is taken; 1 is the paper's uniform sampling.
        decay: Factor for each step back in the history, in training and at scoring; 1 counts all events alike.
        last: Events of the history that count, the latest ones.
    """

@overload
def ranker(
    name: Literal['caser'],
    *,
    embedding_size: int = 64,
    dropout: float = 0.4,
    max_length: int = 50,
    loss: Literal['softmax', 'gbce'] = 'softmax',
    calibration: float = 0.75,
    negatives: int = 512,
    power: float = 0.5,
    text: str = 'none',
    text_as: Literal['features', 'start'] = 'features',
    events: str = '',
    start_from: str = '',
    epochs: int = 80,
    batch_size: int = 2048,
    accumulate: int = 1,
    learning_rate: float = 0.002,
    schedule: Literal['cosine', 'constant'] = 'cosine',
    weight_decay: float = 0.0,
    patience: int = 20,
    validation: float = 0.05,
    window: int = 5,
    horizontal: int = 16,
    vertical: int = 4,
) -> wareloom.rankers.sequence.caser.Caser:
    """Look for patterns among the last `window` items by convolutions, and score items by the inner product.

        embedding_size: Numbers an item is described by.
        dropout: Share of activations dropped in training.
        max_length: Latest events of a history that are read.
        loss: Cross-entropy over items, or generalised binary cross-entropy (gSASRec).
        calibration: For gbce: 0 is the plain binary loss, 1 as calibrated as the softmax.
        negatives: Items drawn for the loss; 0, or a catalogue hardly larger, takes all items into the softmax.
        power: Negatives of the softmax are drawn by popularity to this power; those of gbce uniformly.
        text: Embedder of the items' texts, such as tfidf or minilm; none learns from behaviour alone.
        text_as: Whether a learned map of the text is part of each item's vector, or is where the learned vectors start.
        events: What each kind of event counts as a target, as in "view_item=0.2 purchase=1"; others are only read. Where set, the network is told the kinds of what it reads. Empty: all count alike.
        start_from: Folder of a saved ranker of the same kind, perhaps of another shop, whose weights the training starts from; items are matched by their ids, and by their text where it is used as features.
        epochs: Passes over the log, at most.
        batch_size: Events a batch, padding included.
        accumulate: Batches whose gradients are added up before each update.
        learning_rate: Highest step size.
        schedule: What the learning rate does after the warm-up.
        weight_decay: Decoupled decay of the weights.
        patience: Evaluations without a better validation value after which training stops; 0 never stops early.
        validation: Share of users whose last event stops the training early; none where it comes to fewer than 20.
        window: Latest items that the filters see.
        horizontal: Filters of each height from 1 to `window`.
        vertical: Filters over places.
    """

@overload
def ranker(
    name: Literal['complements'],
    *,
    decay: float = 0.6,
    last: int = 0,
    model: str = 'embedded',
    model_settings: Mapping[str, Any] = ...,
    about: Literal['category', 'title'] = 'category',
    kinds: int = 6,
    alike: int = 20,
    embedder: str = 'tfidf',
    least: float = 1.0,
    max_tokens: int = 48,
    block: Sequence[str] = ...,
) -> wareloom.rankers.content.complements.Complements:
    """Score items by whether a text model named them as what goes with those of the history.

        decay: Factor for each step back in the history that is scored; 1 counts all events alike.
        last: Events of the history that count, the latest ones; 0 takes all.
        model: The text model that is asked: embedded, huggingface, endpoint, or package.module:Class.
        model_settings: Its settings.
        about: What a question is about: each leaf of the categories, or each item by its title, which asks far more.
        kinds: Kinds of product that are taken of an answer at most.
        alike: Items that read most like a kind, and so are meant by it.
        embedder: What makes vectors of kinds and items: "tfidf", "minilm" or another embedder.
        least: How often a pair must have met, as a share of what chance gives, from five users on; 0 keeps all.
        max_tokens: Tokens of an answer at most.
        block: Words that no kind may have.
    """

@overload
def ranker(
    name: Literal['cross_encoder'],
    *,
    fields: str = 'title category brand',
    spelling: bool = False,
    wishes: bool = False,
    personal: float = 0.0,
    behaviour: str = 'item_knn',
    model: str = '',
    tuning: Literal['lora', 'adapter', 'full'] = 'full',
    tuning_size: int = 16,
    retriever: str = 'bm25',
    retriever_settings: Mapping[str, Any] = ...,
    candidates: int = 50,
    listed: int = 8,
    training_queries: int = 3000,
    longest: int = 96,
    epochs: int = 1,
    batch_size: int = 8,
    learning_rate: float = 0.0,
    weight_decay: float = 0.01,
) -> wareloom.rankers.learned.cross_encoder.CrossEncoder:
    """Order the `candidates` best items of another ranker by an encoder that reads query and item as one text.

        fields: Columns of items that are read, some of title, category, brand, attributes and description; those that are missing are passed over. With weights, as in "title^2 brand", a word there counts so often.
        spelling: Whether words of a query that hardly an item has are taken for slips and corrected by those items have. Needs the extra `text`.
        wishes: Whether "under $50" and "给女儿" are read as what it may cost and for whom it is: items of another price stand below all others, those without a price stay.
        personal: Weight of the history's items beside the query, both in units of their spread; 0 answers everybody alike.
        behaviour: The ranker that says what goes with a history, where there is a weight.
        model: A folder with another encoder: config.json, tokenizer and weights; empty for all-MiniLM-L6-v2, of English.
        tuning: Which weights are learned beside those of the map.
        tuning_size: Rank of LoRA, width of an adapter.
        retriever: The ranker of search whose best items are read.
        retriever_settings: Its settings.
        candidates: Items of each query that are read.
        listed: Items of a query that are compared with each other in training.
        training_queries: Queries, at most, that are learned from.
        longest: Pieces of words that query and item are cut to, the item's end first.
        epochs: Passes over the queries.
        batch_size: Queries a batch.
        learning_rate: Highest step size; 0 takes one that suits the tuning.
        weight_decay: Decoupled decay of the weights.
    """

@overload
def ranker(
    name: Literal['dcn'],
    *,
    calibration: Literal['none', 'platt', 'isotonic'] = 'none',
    validation: float = 0.1,
    negatives: int = 4,
    negative_rate: float = 1.0,
    max_rows: int = 2000000,
    min_count: int = 1,
    embedding_size: int = 8,
    hidden_size: int = 64,
    layers: int = 2,
    dropout: float = 0.1,
    text: str = 'none',
    epochs: int = 10,
    batch_size: int = 256,
    learning_rate: float = 0.002,
    weight_decay: float = 0.01,
    patience: int = 3,
    crosses: int = 2,
) -> wareloom.rankers.clicks.dcn.DCN:
    """Cross the embeddings of all fields explicitly, layer by layer, and beside them by a perceptron; add both up.

        calibration: How probabilities are made right on a held-back share of training.
        validation: Share of users (or sessions) held back for calibration and for stopping early; none where neither is wanted.
        negatives: Items drawn beside each interaction, where the shop has no impressions.
        negative_rate: Share of impressions without a click that are learnt from; probabilities are corrected for it.
        max_rows: Rows learnt from at most: of more, fewer unclicked ones, or fewer interactions, are taken at random.
        min_count: Values that fewer training rows have count as unknown.
        embedding_size: Numbers each value of a field is described by.
        hidden_size: Width of the layers of the perceptron.
        layers: Layers of the perceptron.
        dropout: Share of activations dropped in training.
        text: Embedder of the items' texts, such as tfidf or minilm, at which their vectors start; none: at random.
        epochs: Passes over the rows, at most; 2 where too few clicks are held back to know when to stop.
        batch_size: Rows of one update.
        learning_rate: Highest step size.
        weight_decay: Decoupled decay of the weights.
        patience: Passes without a better held-back log loss after which training stops; 0 never stops early.
        crosses: Cross layers: each raises the degree of the products by one.
    """

@overload
def ranker(
    name: Literal['deepfm'],
    *,
    calibration: Literal['none', 'platt', 'isotonic'] = 'none',
    validation: float = 0.1,
    negatives: int = 4,
    negative_rate: float = 1.0,
    max_rows: int = 2000000,
    min_count: int = 1,
    embedding_size: int = 8,
    hidden_size: int = 64,
    layers: int = 2,
    dropout: float = 0.1,
    text: str = 'none',
    epochs: int = 10,
    batch_size: int = 256,
    learning_rate: float = 0.002,
    weight_decay: float = 0.01,
    patience: int = 3,
) -> wareloom.rankers.clicks.deepfm.DeepFM:
    """Add the inner products of all pairs of fields' embeddings to a perceptron's and a linear part.

        calibration: How probabilities are made right on a held-back share of training.
        validation: Share of users (or sessions) held back for calibration and for stopping early; none where neither is wanted.
        negatives: Items drawn beside each interaction, where the shop has no impressions.
        negative_rate: Share of impressions without a click that are learnt from; probabilities are corrected for it.
        max_rows: Rows learnt from at most: of more, fewer unclicked ones, or fewer interactions, are taken at random.
        min_count: Values that fewer training rows have count as unknown.
        embedding_size: Numbers each value of a field is described by.
        hidden_size: Width of the layers of the perceptron.
        layers: Layers of the perceptron.
        dropout: Share of activations dropped in training.
        text: Embedder of the items' texts, such as tfidf or minilm, at which their vectors start; none: at random.
        epochs: Passes over the rows, at most; 2 where too few clicks are held back to know when to stop.
        batch_size: Rows of one update.
        learning_rate: Highest step size.
        weight_decay: Decoupled decay of the weights.
        patience: Passes without a better held-back log loss after which training stops; 0 never stops early.
    """

@overload
def ranker(
    name: Literal['ease'],
    *,
    regularization: float = 100.0,
    decay: float = 0.7,
    last: int = 0,
    pair_decay: float = 0.8,
    max_items: int = 0,
    memory_limit: float = 4.0,
) -> wareloom.rankers.factor.ease.EASE:
    """Predict each item of a user from all the others by ridge regression, and score histories with the weights.

        regularization: Ridge penalty; more for sparse logs, less for dense ones.
        decay: Factor for each step back in the history that is scored; 1 counts all events alike, as the paper does.
        last: Events of the history that count, the latest ones; 0 takes all.
        pair_decay: Factor for each place between two items of one user in training; 1 counts all pairs alike, as the paper does.
        max_items: Learn the most popular items only, the others go below all by popularity; 0 takes all.
        memory_limit: GiB the weights may take.
    """

@overload
def ranker(
    name: Literal['fusion'],
    *,
    fields: str = 'title category brand',
    spelling: bool = True,
    wishes: bool = False,
    personal: float = 0.0,
    behaviour: str = 'item_knn',
    members: Sequence[str] = ...,
    member_settings: Mapping[str, Mapping[str, Any]] = ...,
    by: Literal['zscore', 'rrf'] = 'zscore',
    weights: Mapping[str, float] = ...,
    learn: bool = False,
    constant: float = 60.0,
    depth: int = 1000,
) -> wareloom.rankers.search.fusion.Fusion:
    """Add up what each member says of an item, by its place in the member's list or by its score.

        fields: Columns of items that are read, some of title, category, brand, attributes and description; those that are missing are passed over. With weights, as in "title^2 brand", a word there counts so often.
        spelling: Whether words of a query that hardly an item has are taken for slips and corrected by those items have. Needs the extra `text`.
        wishes: Whether "under $50" and "给女儿" are read as what it may cost and for whom it is: items of another price stand below all others, those without a price stay.
        personal: Weight of the history's items beside the query, both in units of their spread; 0 answers everybody alike.
        behaviour: The ranker that says what goes with a history, where there is a weight.
        members: The rankers of search that are asked.
        member_settings: Settings by member, where they are not the defaults.
        by: What is added up: scores in units of their spread, or reciprocal ranks.
        weights: Weights by member; 1 where nothing is said.
        learn: Whether the weights are learned from the judgments, where there are any.
        constant: What is added to a place before it is inverted.
        depth: Places of each member that count.
    """

@overload
def ranker(
    name: Literal['gru'],
    *,
    embedding_size: int = 64,
    dropout: float = 0.4,
    max_length: int = 50,
    loss: Literal['softmax', 'gbce'] = 'softmax',
    calibration: float = 0.75,
    negatives: int = 512,
    power: float = 0.5,
    text: str = 'none',
    text_as: Literal['features', 'start'] = 'features',
    events: str = '',
    start_from: str = '',
    epochs: int = 80,
    batch_size: int = 2048,
    accumulate: int = 1,
    learning_rate: float = 0.002,
    schedule: Literal['cosine', 'constant'] = 'cosine',
    weight_decay: float = 0.0,
    patience: int = 20,
    validation: float = 0.05,
    hidden_size: int = 128,
    layers: int = 1,
) -> wareloom.rankers.sequence.gru.GRU:
    """Read the history by gated recurrent units and score items by the inner product with their vectors.

        embedding_size: Numbers an item is described by.
        dropout: Share of activations dropped in training.
        max_length: Latest events of a history that are read.
        loss: Cross-entropy over items, or generalised binary cross-entropy (gSASRec).
        calibration: For gbce: 0 is the plain binary loss, 1 as calibrated as the softmax.
        negatives: Items drawn for the loss; 0, or a catalogue hardly larger, takes all items into the softmax.
        power: Negatives of the softmax are drawn by popularity to this power; those of gbce uniformly.
        text: Embedder of the items' texts, such as tfidf or minilm; none learns from behaviour alone.
        text_as: Whether a learned map of the text is part of each item's vector, or is where the learned vectors start.
        events: What each kind of event counts as a target, as in "view_item=0.2 purchase=1"; others are only read. Where set, the network is told the kinds of what it reads. Empty: all count alike.
        start_from: Folder of a saved ranker of the same kind, perhaps of another shop, whose weights the training starts from; items are matched by their ids, and by their text where it is used as features.
        epochs: Passes over the log, at most.
        batch_size: Events a batch, padding included.
        accumulate: Batches whose gradients are added up before each update.
        learning_rate: Highest step size.
        schedule: What the learning rate does after the warm-up.
        weight_decay: Decoupled decay of the weights.
        patience: Evaluations without a better validation value after which training stops; 0 never stops early.
        validation: Share of users whose last event stops the training early; none where it comes to fewer than 20.
        hidden_size: Numbers the network remembers from one item to the next.
        layers: Recurrent layers, one on the other.
    """

@overload
def ranker(
    name: Literal['image_knn'],
    *,
    decay: float = 0.6,
    last: int = 0,
    model: str = '',
    learned: bool = False,
    neighbours: int = 200,
) -> wareloom.rankers.content.image_knn.ImageKNN:
    """Score items by how much their pictures look like those of the items of the history.

        decay: Factor for each step back in the history that is scored; 1 counts all events alike.
        last: Events of the history that count, the latest ones; 0 takes all.
        model: lite0 for the frozen encoder EfficientNet-Lite0 (extra `pictures`), or a folder with a vision model in Hugging Face's layout, such as ViT, DINOv2 or CLIP; empty takes colours and edges.
        learned: Whether vectors of items of one category are brought nearer to one another, learned from the categories of the catalogue; an item without one is placed by its picture alone.
        neighbours: Similar items kept for each item.
    """

@overload
def ranker(
    name: Literal['item_knn'],
    *,
    neighbours: int = 200,
    shrink: float = 20.0,
    weighting: Literal['none', 'tfidf', 'bm25'] = 'none',
    decay: float = 0.7,
    last: int = 0,
) -> wareloom.rankers.baseline.item_knn.ItemKNN:
    """Score items by their cosine similarity to the items of the history.

        neighbours: Similar items kept for each item.
        shrink: Added to the denominator, so that items with few users in common are not taken for alike.
        weighting: How values are weighed before: none; tfidf, users with many items say less; bm25, so do popular items.
        decay: Factor for each step back in the history that is scored; 1 counts all events alike.
        last: Events of the history that count, the latest ones; 0 takes all.
    """

@overload
def ranker(
    name: Literal['lambdamart'],
    *,
    fields: str = 'title category brand',
    spelling: bool = False,
    wishes: bool = False,
    personal: float = 0.0,
    behaviour: str = 'item_knn',
    trees: int = 50,
    leaves: int = 15,
    learning_rate: float = 0.05,
    min_rows: int = 50,
    sample: float = 0.8,
    hard_negatives: int = 16,
    training_queries: int = 3000,
    candidates: int = 200,
    k1: float = 1.2,
    b: float = 0.75,
) -> wareloom.rankers.search.lambdamart.LambdaMART:
    """Add to BM25 small trees over how query and item match, each fitted to what swapped pairs change in nDCG.

        fields: Columns of items that are read, some of title, category, brand, attributes and description; those that are missing are passed over. With weights, as in "title^2 brand", a word there counts so often.
        spelling: Whether words of a query that hardly an item has are taken for slips and corrected by those items have. Needs the extra `text`.
        wishes: Whether "under $50" and "给女儿" are read as what it may cost and for whom it is: items of another price stand below all others, those without a price stay.
        personal: Weight of the history's items beside the query, both in units of their spread; 0 answers everybody alike.
        behaviour: The ranker that says what goes with a history, where there is a weight.
        trees: Trees that are added up; more suit many thousands of labelled queries.
        leaves: Leaves of a tree at most.
        learning_rate: Share of each tree that counts.
        min_rows: Judgments a leaf has at least.
        sample: Share of the judgments, and of the numbers, that each tree sees.
        hard_negatives: Items found for a query that are taken for wrong: where only right ones were judged, or for every query where all have lower ones, too; lists of what people judged say nothing of the rest of a catalogue. 0 takes none.
        training_queries: Queries, at most, for which items are found.
        candidates: Items found by BM25 that are put in order.
        k1: As in the ranker bm25.
        b: As in the ranker bm25.
    """

@overload
def ranker(
    name: Literal['lightgcn'],
    *,
    embedding_size: int = 64,
    layers: int = 1,
    epochs: int = 12,
    batch_size: int = 4096,
    learning_rate: float = 0.02,
    weight_decay: float = 0.0,
    temperature: float = 0.1,
    negatives: int = 1024,
    power: float = 0.5,
    decay: float = 0.7,
    last: int = 20,
) -> wareloom.rankers.factor.lightgcn.LightGCN:
    """Propagate item vectors over the user-item graph and score items by the inner product with a history's vector.

        embedding_size: Numbers an item is described by.
        layers: Steps from items to users and back to items.
        epochs: Passes over the log.
        batch_size: Events a batch.
        learning_rate: Highest step size.
        weight_decay: Decoupled decay of the vectors.
        temperature: Cosines are divided by this in training; the lower, the more the items count that score highest.
        negatives: Items drawn for each batch.
        power: Negatives are drawn by popularity to this power.
        decay: Factor for each step back in the history, in training and at scoring; 1 counts all events alike.
        last: Events of the history that count, the latest ones.
    """

@overload
def ranker(
    name: Literal['logistic'],
    *,
    calibration: Literal['none', 'platt', 'isotonic'] = 'none',
    validation: float = 0.1,
    negatives: int = 4,
    negative_rate: float = 1.0,
    max_rows: int = 2000000,
    min_count: int = 1,
    regularization: float = 10.0,
    max_steps: int = 500,
) -> wareloom.rankers.clicks.logistic.Logistic:
    """Add up a weight for each value of each field and for each number; penalise squared weights.

        calibration: How probabilities are made right on a held-back share of training.
        validation: Share of users (or sessions) held back for calibration and for stopping early; none where neither is wanted.
        negatives: Items drawn beside each interaction, where the shop has no impressions.
        negative_rate: Share of impressions without a click that are learnt from; probabilities are corrected for it.
        max_rows: Rows learnt from at most: of more, fewer unclicked ones, or fewer interactions, are taken at random.
        min_count: Values that fewer training rows have count as unknown.
        regularization: Penalty on squared weights; the larger, the nearer to the constant share of clicks.
        max_steps: Steps of L-BFGS at most.
    """

@overload
def ranker(
    name: Literal['multitask'],
    *,
    calibration: Literal['none', 'platt', 'isotonic'] = 'none',
    validation: float = 0.1,
    negatives: int = 4,
    negative_rate: float = 1.0,
    max_rows: int = 2000000,
    min_count: int = 1,
    embedding_size: int = 8,
    hidden_size: int = 64,
    layers: int = 1,
    dropout: float = 0.1,
    text: str = 'none',
    epochs: int = 10,
    batch_size: int = 256,
    learning_rate: float = 0.002,
    weight_decay: float = 0.01,
    patience: int = 3,
    tasks: str = 'click=1 cart=1 purchase=1 rating=1',
    objective: str = 'click=1 cart=1 purchase=1',
    combine: Literal['sum', 'product'] = 'sum',
    value: str = 'price',
    chain: bool = False,
    balance: Literal['fixed', 'uncertainty'] = 'fixed',
    experts: int = 4,
) -> wareloom.rankers.learned.multitask.Multitask:
    """Learn what becomes of an item in a session, click, cart, purchase and rating, by shared experts and a head each.

        calibration: How probabilities are made right on a held-back share of training.
        validation: Share of users (or sessions) held back for calibration and for stopping early; none where neither is wanted.
        negatives: Items drawn beside each interaction, where the shop has no impressions.
        negative_rate: Share of impressions without a click that are learnt from; probabilities are corrected for it.
        max_rows: Rows learnt from at most: of more, fewer unclicked ones, or fewer interactions, are taken at random.
        min_count: Values that fewer training rows have count as unknown.
        embedding_size: Numbers each value of a field is described by.
        hidden_size: Width of the layers of the experts; the towers' are half as wide.
        layers: Layers of each expert.
        dropout: Share of activations dropped in training.
        text: Embedder of the items' texts, such as tfidf or minilm, at which their vectors start; none: at random.
        epochs: Passes over the rows, at most; 2 where too few clicks are held back to know when to stop.
        batch_size: Rows of one update.
        learning_rate: Highest step size.
        weight_decay: Decoupled decay of the weights.
        patience: Passes without a better held-back log loss after which training stops; 0 never stops early.
        tasks: What is learned where the shop has it, with its weight in the loss; a task that is not named is not learned.
        objective: What items are ranked by: tasks that were learned and, if wanted, margin, novelty and diversity, as in "click=1 purchase=3 rating=0.5 margin=0.5 novelty=0.1 diversity=0.2".
        combine: Whether the chances of the tasks are added up by weight, or multiplied with their weights as powers.
        value: What an item is worth to the shop: price, or the name of an attribute that holds numbers, such as a margin.
        chain: Whether each step is a chance given the step before it: p(cart) = p(click) p(cart | click), over all rows (ESMM).
        balance: Whether losses count by the weights of `tasks`, or by a variance learned for each (Kendall, Gal and Cipolla 2018); the weights then only choose when to stop.
        experts: Perceptrons that the tasks mix, each by a gate of its own; 1 is a shared bottom.
    """

@overload
def ranker(
    name: Literal['newcomers'],
) -> wareloom.rankers.baseline.newcomers.Newcomers:
    """Put the items without an event first, in one random order for everybody, then the popular ones.
    """

@overload
def ranker(
    name: Literal['personal'],
    *,
    decay: float = 0.999,
    last: int = 0,
) -> wareloom.rankers.baseline.personal.Personal:
    """Rank each user's own items by how often and how lately they were had, then the rest by popularity.

        decay: Factor for each step back in the history; 1 counts all events alike.
        last: Events of the history that count, the latest ones; 0 takes all.
    """

@overload
def ranker(
    name: Literal['popularity'],
    *,
    half_life: float | None = None,
) -> wareloom.rankers.baseline.popularity.Popularity:
    """Order items by the weight of their events, recent ones more where asked.

        half_life: Days after which an event counts half; None counts all alike, as does a log without times.
    """

@overload
def ranker(
    name: Literal['rating'],
    *,
    embedding_size: int = 16,
    regularization: float = 0.1,
    bias_regularization: float = 5.0,
    epochs: int = 15,
) -> wareloom.rankers.factor.rating.Rating:
    """Predict a rating as mean + bias of the user + bias of the item + product of their vectors.

        embedding_size: Length of the vectors; 0 learns biases alone.
        regularization: Penalty on squared vectors, for each rating of the user or item.
        bias_regularization: Ratings at the mean that every bias starts from.
        epochs: Rounds over users and items.
    """

@overload
def ranker(
    name: Literal['sasrec'],
    *,
    embedding_size: int = 64,
    dropout: float = 0.4,
    max_length: int = 50,
    loss: Literal['softmax', 'gbce'] = 'softmax',
    calibration: float = 0.75,
    negatives: int = 512,
    power: float = 0.5,
    text: str = 'none',
    text_as: Literal['features', 'start'] = 'features',
    events: str = '',
    start_from: str = '',
    epochs: int = 80,
    batch_size: int = 2048,
    accumulate: int = 1,
    learning_rate: float = 0.002,
    schedule: Literal['cosine', 'constant'] = 'cosine',
    weight_decay: float = 0.0,
    patience: int = 20,
    validation: float = 0.05,
    layers: int = 2,
    heads: int = 1,
) -> wareloom.rankers.sequence.sasrec.SASRec:
    """Encode the history by causal self-attention and score items by the inner product with their vectors.

        embedding_size: Numbers an item is described by.
        dropout: Share of activations dropped in training.
        max_length: Latest events of a history that are read.
        loss: Cross-entropy over items, or generalised binary cross-entropy (gSASRec).
        calibration: For gbce: 0 is the plain binary loss, 1 as calibrated as the softmax.
        negatives: Items drawn for the loss; 0, or a catalogue hardly larger, takes all items into the softmax.
        power: Negatives of the softmax are drawn by popularity to this power; those of gbce uniformly.
        text: Embedder of the items' texts, such as tfidf or minilm; none learns from behaviour alone.
        text_as: Whether a learned map of the text is part of each item's vector, or is where the learned vectors start.
        events: What each kind of event counts as a target, as in "view_item=0.2 purchase=1"; others are only read. Where set, the network is told the kinds of what it reads. Empty: all count alike.
        start_from: Folder of a saved ranker of the same kind, perhaps of another shop, whose weights the training starts from; items are matched by their ids, and by their text where it is used as features.
        epochs: Passes over the log, at most.
        batch_size: Events a batch, padding included.
        accumulate: Batches whose gradients are added up before each update.
        learning_rate: Highest step size.
        schedule: What the learning rate does after the warm-up.
        weight_decay: Decoupled decay of the weights.
        patience: Evaluations without a better validation value after which training stops; 0 never stops early.
        validation: Share of users whose last event stops the training early; none where it comes to fewer than 20.
        layers: Layers of self-attention.
        heads: Attention heads; they divide `embedding_size`.
    """

@overload
def ranker(
    name: Literal['session_knn'],
    *,
    unit: Literal['user', 'session'] = 'user',
    sample: int = 5000,
    neighbours: int = 200,
    decay: float = 0.5,
    last: int = 20,
    distance_decay: float = 0.8,
    reverse: float = 0.3,
    again: float = 1.0,
    idf: float = 2.0,
    half_life: float | None = None,
) -> wareloom.rankers.sequence.session_knn.SessionKNN:
    """Let the sessions of the log that share items with a request's latest events vote for what stands near these.

        unit: What is compared: all events of a user in a row, or each session alone. A log without users has sessions only.
        sample: Latest sessions sharing an item that are compared.
        neighbours: Most similar sessions that vote.
        decay: Factor for each step back in the history that is scored; 1 counts all events alike.
        last: Events of the history that count, the latest ones; 0 takes all.
        distance_decay: Factor for each further place between the shared item and the one voted for; 1 counts all places alike.
        reverse: Share of a vote for an item before the shared one; 0 keeps the order, 1 forgets it.
        again: Share of a vote for the shared item itself; of weight only where items of the history may be ranked again.
        idf: Power of the rarity of shared items; 0 counts all alike.
        half_life: Days after which a session's votes count half, seen from the log's last event; None counts all alike.
    """

@overload
def ranker(
    name: Literal['siamese'],
    *,
    calibration: Literal['none', 'platt', 'isotonic'] = 'none',
    validation: float = 0.1,
    negatives: int = 4,
    negative_rate: float = 1.0,
    max_rows: int = 2000000,
    min_count: int = 1,
    embedding_size: int = 8,
    hidden_size: int = 64,
    layers: int = 2,
    dropout: float = 0.1,
    text: str = 'none',
    epochs: int = 10,
    batch_size: int = 256,
    learning_rate: float = 0.002,
    weight_decay: float = 0.01,
    patience: int = 3,
) -> wareloom.rankers.clicks.siamese.Siamese:
    """Put each item of the history and the candidate through one shared tower; what they have in common counts.

        calibration: How probabilities are made right on a held-back share of training.
        validation: Share of users (or sessions) held back for calibration and for stopping early; none where neither is wanted.
        negatives: Items drawn beside each interaction, where the shop has no impressions.
        negative_rate: Share of impressions without a click that are learnt from; probabilities are corrected for it.
        max_rows: Rows learnt from at most: of more, fewer unclicked ones, or fewer interactions, are taken at random.
        min_count: Values that fewer training rows have count as unknown.
        embedding_size: Numbers each value of a field is described by.
        hidden_size: Width of the layers of the perceptron.
        layers: Layers of the perceptron.
        dropout: Share of activations dropped in training.
        text: Embedder of the items' texts, such as tfidf or minilm, at which their vectors start; none: at random.
        epochs: Passes over the rows, at most; 2 where too few clicks are held back to know when to stop.
        batch_size: Rows of one update.
        learning_rate: Highest step size.
        weight_decay: Decoupled decay of the weights.
        patience: Passes without a better held-back log loss after which training stops; 0 never stops early.
    """

@overload
def ranker(
    name: Literal['slim'],
    *,
    l1: float = 0.1,
    l2: float = 50.0,
    non_negative: bool = True,
    neighbours: int = 300,
    decay: float = 0.7,
    last: int = 0,
    pair_decay: float = 0.8,
    epochs: int = 100,
    max_items: int = 0,
    memory_limit: float = 4.0,
) -> wareloom.rankers.factor.slim.SLIM:
    """Predict each item of a user from others by the elastic net, and score histories with the weights.

        l1: Penalty on the absolute weights; more keeps fewer of them.
        l2: Penalty on the squared weights; more for sparse logs, less for dense ones.
        non_negative: Whether weights below 0 are ruled out.
        neighbours: Items, of the highest cosine, that an item may be predicted from.
        decay: Factor for each step back in the history that is scored; 1 counts all events alike, as the paper does.
        last: Events of the history that count, the latest ones; 0 takes all.
        pair_decay: Factor for each place between two items of one user in training; 1 counts all pairs alike, as the paper does.
        epochs: Sweeps over the weights of an item, at most.
        max_items: Learn the most popular items only, the others go below all by popularity; 0 takes all.
        memory_limit: GiB that the Gram matrix and the weights may take.
    """

@overload
def ranker(
    name: Literal['stack'],
    *,
    members: Sequence[str] = ...,
    member_settings: Mapping[str, Mapping[str, Any]] = ...,
    real_alone: Sequence[str] = ...,
    weights: Mapping[str, float] = ...,
    candidates: int = 100,
    held: int = 5000,
    halves: int = 1,
) -> wareloom.rankers.hybrid.stack.Stack:
    """Add up the scores of several rankers and popularity.

        members: The rankers that are added up. A second one of the same ranker is called "sasrec (text)": what stands in brackets only tells it apart.
        member_settings: Settings by member, where they are not the defaults.
        real_alone: Members that learn from the real rows alone, where there are synthetic ones or soft labels.
        weights: Weights by member, and of "popularity"; where none is given they are learned.
        candidates: Items of each member that take part in the learning of the weights.
        held: Users, at most, whose last events the weights are learned from.
        halves: Random halves of them whose weights are averaged, to steady what few users say; 1 learns from all at once.
    """

@overload
def ranker(
    name: Literal['text_knn'],
    *,
    decay: float = 0.6,
    last: int = 0,
    fields: str = 'title category brand',
    embedder: str = 'tfidf',
    ngrams: int = 1,
    neighbours: int = 0,
) -> wareloom.rankers.content.text_knn.TextKNN:
    """Score items by how much their text is like that of the items of the history.

        decay: Factor for each step back in the history that is scored; 1 counts all events alike.
        last: Events of the history that count, the latest ones; 0 takes all.
        fields: Columns of items that are read, some of title, category, brand, attributes and description; those that are missing are passed over. With weights, as in "title^2 brand", similarity is the weighted mean over the fields.
        embedder: What makes vectors of the texts: "tfidf", "minilm" or another embedder.
        ngrams: Longest run of words that makes a term of tf-idf; other embedders have no such thing.
        neighbours: Similar items kept for each item; 0 keeps 1,000, in catalogues of more than 200,000 items as many as come to 200 million in all.
    """

@overload
def ranker(
    name: Literal['tifu_knn'],
    *,
    neighbours: int = 300,
    own: float = 0.7,
    decay: float = 0.98,
    group: int = 7,
    group_decay: float = 0.8,
) -> wareloom.rankers.baseline.tifu_knn.TIFUKNN:
    """Rank items by how regularly and how lately they were in the user's baskets, and in those of similar users.

        neighbours: Most similar users that vote.
        own: Share of the user's own vector in the score, the rest is the neighbours'.
        decay: Factor for each basket back within a group.
        group: Baskets of a group, counted from the latest.
        group_decay: Factor for each group back.
    """

@overload
def ranker(
    name: Literal['transitions'],
    *,
    window: int = 6,
    window_decay: float = 0.7,
    reverse: float = 0.3,
    decay: float = 0.5,
    last: int = 20,
    neighbours: int = 100,
    row_power: float = 0.5,
    column_power: float = 0.0,
) -> wareloom.rankers.baseline.transitions.Transitions:
    """Count which items follow which within a window, and sum the counts over the recent history.

        window: Places after an item within which another is said to follow it.
        window_decay: Factor for each further place between the two items of a pair.
        reverse: Share of a pair's weight that counts the other way round; 0 keeps the order, 1 forgets it.
        decay: Factor for each step back in the history that is scored; 1 counts all events alike.
        last: Events of the history that count, the latest ones; 0 takes all.
        neighbours: Followers kept for each item.
        row_power: Division by the weight of the item gone from: 0 none, 1 lets frequent items say no more than rare ones.
        column_power: Division by the weight of the item gone to: 0 favours popular followers, 1 unexpected ones.
    """

@overload
def ranker(
    name: Literal['two_stage'],
    *,
    fields: str = 'title category brand',
    spelling: bool = True,
    wishes: bool = False,
    personal: float = 0.0,
    behaviour: str = 'item_knn',
    members: Sequence[str] = ...,
    member_settings: Mapping[str, Mapping[str, Any]] = ...,
    trees: int = 150,
    leaves: int = 15,
    learning_rate: float = 0.05,
    min_rows: int = 50,
    sample: float = 0.8,
    hard_negatives: int = 16,
    training_queries: int = 3000,
    candidates: int = 100,
    trust: float = 0.5,
    reads: int = 0,
    reader: Mapping[str, Any] = ...,
    distils: int = 0,
    reader_weight: float = 0.5,
) -> wareloom.rankers.search.two_stage.TwoStage:
    """Take the `candidates` best items of every member, and order them by LambdaMART and by the members' own scores.

        fields: Columns of items that are read, some of title, category, brand, attributes and description; those that are missing are passed over. With weights, as in "title^2 brand", a word there counts so often.
        spelling: Whether words of a query that hardly an item has are taken for slips and corrected by those items have. Needs the extra `text`.
        wishes: Whether "under $50" and "给女儿" are read as what it may cost and for whom it is: items of another price stand below all others, those without a price stay.
        personal: Weight of the history's items beside the query, both in units of their spread; 0 answers everybody alike.
        behaviour: The ranker that says what goes with a history, where there is a weight.
        members: The rankers of search that are asked.
        member_settings: Settings by member, where they are not the defaults.
        trees: Trees that are added up.
        leaves: Leaves of a tree at most.
        learning_rate: Share of each tree that counts.
        min_rows: Judgments a leaf has at least.
        sample: Share of the judgments, and of the numbers, that each tree sees.
        hard_negatives: Items found for a query that are taken for wrong: where only right ones were judged, or for every query where all have lower ones, too; lists of what people judged say nothing of the rest of a catalogue. 0 takes none.
        training_queries: Queries, at most, for which items are found.
        candidates: Best items of each member that are put in order.
        trust: Weight of the trees beside the sum of the members; three tenths of it where no person gave a judgment, as nothing says then whether they serve this shop.
        reads: Best items of a query that a cross-encoder reads beside it; 0 none. Twenty take a tenth of a second on one core where it computes in bf16, and minutes to be taught. Needs the extra `text`.
        reader: Settings of the cross-encoder, where they are not its defaults.
        distils: Updates by which members that are encoders learn the order that the cross-encoder gives items found for its training queries; 0 none. Needs `reads`.
        reader_weight: Weight of what it says (a logit) beside the order so far, in units of the spread of what is read.
    """

@overload
def ranker(
    name: Literal['two_tower'],
    *,
    embedding_size: int = 64,
    dropout: float = 0.4,
    max_length: int = 50,
    loss: Literal['softmax', 'gbce'] = 'softmax',
    calibration: float = 0.75,
    negatives: int = 512,
    power: float = 0.5,
    text: str = 'tfidf',
    text_as: Literal['features', 'start'] = 'features',
    events: str = '',
    start_from: str = '',
    epochs: int = 80,
    batch_size: int = 2048,
    accumulate: int = 1,
    learning_rate: float = 0.002,
    schedule: Literal['cosine', 'constant'] = 'cosine',
    weight_decay: float = 0.0,
    patience: int = 20,
    validation: float = 0.05,
    pictures: str = 'none',
    pool: Literal['recency', 'attention'] = 'attention',
    hidden_size: int = 128,
    bands: int = 8,
) -> wareloom.rankers.learned.two_tower.TwoTower:
    """Score items by the inner product of a vector of the user with one of the item, each made by a tower of its own.

        embedding_size: Numbers an item is described by.
        dropout: Share of activations dropped in training.
        max_length: Latest events of a history that are read.
        loss: Cross-entropy over items, or generalised binary cross-entropy (gSASRec).
        calibration: For gbce: 0 is the plain binary loss, 1 as calibrated as the softmax.
        negatives: Items drawn for the loss; 0, or a catalogue hardly larger, takes all items into the softmax.
        power: Negatives of the softmax are drawn by popularity to this power; those of gbce uniformly.
        text: Embedder of the items' texts; none, or a shop without text, leaves it out.
        text_as: Whether a learned map of the text is part of each item's vector, or is where the learned vectors start.
        events: What each kind of event counts as a target, as in "view_item=0.2 purchase=1"; others are only read. Where set, the network is told the kinds of what it reads. Empty: all count alike.
        start_from: Folder of a saved ranker of the same kind, perhaps of another shop, whose weights the training starts from; items are matched by their ids, and by their text where it is used as features.
        epochs: Passes over the log, at most.
        batch_size: Events a batch, padding included.
        accumulate: Batches whose gradients are added up before each update.
        learning_rate: Highest step size.
        schedule: What the learning rate does after the warm-up.
        weight_decay: Decoupled decay of the weights.
        patience: Evaluations without a better validation value after which training stops; 0 never stops early.
        validation: Share of users whose last event stops the training early; none where it comes to fewer than 20.
        pictures: What sees the items' pictures: lite0, colours (and edges), or a folder with a vision model; none leaves them out.
        pool: Whether items of the history count by their age alone, or by what they are, too.
        hidden_size: Width of the towers' perceptrons.
        bands: Price bands, of about equally many items each.
    """

@overload
def ranker(
    name: Literal['user_knn'],
    *,
    neighbours: int = 200,
    shrink: float = 0.0,
    idf: float = 1.0,
    decay: float = 0.6,
    last: int = 0,
) -> wareloom.rankers.baseline.user_knn.UserKNN:
    """Let the fitted users whose items are most like a request's history vote for items.

        neighbours: Most similar users that vote.
        shrink: Added to the denominator, so that users with few items count less.
        idf: Power of the rarity of items in the similarity; 0 counts all items alike.
        decay: Factor for each step back in the history that is scored; 1 counts all events alike.
        last: Events of the history that count, the latest ones; 0 takes all.
    """

@overload
def ranker(name: type[R], **settings: Any) -> R: ...

@overload
def ranker(name: str) -> wareloom.rankers.Ranker: ...

@overload
def mixer(
    name: Literal['curriculum'],
    *,
    ratio: float = 1.0,
    weight: float = 1.0,
    head: float = 1.0,
    continues: bool = False,
    until: float = 0.7,
    fade: float = 0.0,
    real_from: float = 0.0,
) -> wareloom.mixing.curriculum.Curriculum:
    """Add synthetic users that leave during a training, at once or one after the other, so that it ends on real data.

        ratio: Synthetic events for each real one; fewer are added where fewer are given.
        weight: Weight of each synthetic row; a real one weighs 1.
        head: Factor on the weight of synthetic rows whose item is in the head: the most popular items, with a third of the real events between them. Below 1 leaves what is popular to the real rows.
        continues: Whether synthetic users with ids of real ones go on with their histories, as samples of `--continue` do.
        until: Share of the training after which synthetic rows are gone; 1 keeps them to the end.
        fade: Share of the training, before `until`, over which synthetic users leave one after the other; 0: all at once.
        real_from: Share of the training from which real rows take part; 0: from the beginning.
    """

@overload
def mixer(
    name: Literal['distil'],
    *,
    ratio: float = 1.0,
    weight: float = 1.0,
    head: float = 1.0,
    ranker: str = 'stack',
    ranker_settings: Mapping[str, Any] = ...,
    folds: int = 5,
    labels: int = 8,
    temperature: float = 0.5,
    repeats: bool = False,
) -> wareloom.mixing.distil.Distil:
    """Add soft labels that an ensemble gives real events directly: knowledge distillation, without synthetic users.

        ratio: What the labels of an event weigh together, where the event weighs 1.
        weight: Factor on all of them.
        head: Factor on labels of the head: the most popular items, with a third of the real events between them.
        ranker: The ranker that names them.
        ranker_settings: Its settings, where they are not the defaults.
        folds: Parts of the users; each is labelled by a ranker that was fitted on the others.
        labels: Labels of each event, at most.
        temperature: Below 1 the best labels weigh more, above 1 all more alike.
        repeats: Whether an item of the history may be a label.
    """

@overload
def mixer(
    name: Literal['fresh'],
    *,
    ratio: float = 1.0,
    weight: float = 1.0,
    head: float = 1.0,
    continues: bool = False,
    pools: int = 5,
) -> wareloom.mixing.fresh.Fresh:
    """Deal the synthetic users into pools, each with `ratio` synthetic events for each real one and a slice of time.

        ratio: Synthetic events for each real one; fewer are added where fewer are given.
        weight: Weight of each synthetic row; a real one weighs 1.
        head: Factor on the weight of synthetic rows whose item is in the head: the most popular items, with a third of the real events between them. Below 1 leaves what is popular to the real rows.
        continues: Whether synthetic users with ids of real ones go on with their histories, as samples of `--continue` do.
        pools: Pools, and slices of the training.
    """

@overload
def mixer(
    name: Literal['labels'],
    *,
    ratio: float = 1.0,
    weight: float = 1.0,
    head: float = 1.0,
    continues: bool = False,
    ranker: str = 'transitions',
    ranker_settings: Mapping[str, Any] = ...,
    users: float = 0.0,
    labels: int = 8,
    temperature: float = 0.5,
    repeats: bool = False,
) -> wareloom.mixing.labels.Labels:
    """Add soft labels that synthetic users teach: at each real event, what they would do there.

        ratio: Synthetic events for each real one; fewer are added where fewer are given.
        weight: Weight of each synthetic row; a real one weighs 1.
        head: Factor on the weight of synthetic rows whose item is in the head: the most popular items, with a third of the real events between them. Below 1 leaves what is popular to the real rows.
        continues: Whether synthetic users with ids of real ones go on with their histories, as samples of `--continue` do.
        ranker: The ranker fitted on the synthetic users; it must add up rows of a table over the history.
        ranker_settings: Its settings, where they are not the defaults.
        users: Share of the `ratio` that is mixed in as whole synthetic users beside the labels; 0 adds labels alone.
        labels: Labels of each event, at most.
        temperature: Below 1 the best labels weigh more, above 1 all more alike.
        repeats: Whether an item of the history may be a label.
    """

@overload
def mixer(
    name: Literal['ratio'],
    *,
    ratio: float = 1.0,
    weight: float = 1.0,
    head: float = 1.0,
    continues: bool = False,
) -> wareloom.mixing.ratio.Ratio:
    """Add whole synthetic users, drawn at random, until there are `ratio` synthetic events for each real one.

        ratio: Synthetic events for each real one; fewer are added where fewer are given.
        weight: Weight of each synthetic row; a real one weighs 1.
        head: Factor on the weight of synthetic rows whose item is in the head: the most popular items, with a third of the real events between them. Below 1 leaves what is popular to the real rows.
        continues: Whether synthetic users with ids of real ones go on with their histories, as samples of `--continue` do.
    """

@overload
def mixer(
    name: Literal['searched'],
    *,
    ratio: float = 1.0,
    weight: float = 1.0,
    head: float = 1.0,
    continues: bool = False,
    ranker: str = 'transitions',
    ranker_settings: Mapping[str, Any] = ...,
    shares: Sequence[float] = ...,
    weights: Sequence[float] = ...,
    heads: Sequence[float] = ...,
    synthesizer_settings: Mapping[str, Mapping[str, Any]] = ...,
    independent: bool = False,
    margin: float = 2.0,
    held: int = 5000,
    k: int = 10,
) -> wareloom.mixing.searched.Searched:
    """Find ratio, source, weight and what the head is worth on held-back real events; then mix that, or nothing.

        ratio: Synthetic events for each real one; fewer are added where fewer are given.
        weight: Weight of each synthetic row; a real one weighs 1.
        head: Factor on the weight of synthetic rows whose item is in the head: the most popular items, with a third of the real events between them. Below 1 leaves what is popular to the real rows.
        continues: Whether synthetic users with ids of real ones go on with their histories, as samples of `--continue` do.
        ranker: The ranker that mixes are tried with.
        ranker_settings: Its settings, where they are not the defaults.
        shares: Parts of `ratio` that are tried.
        weights: Parts of `weight` that are tried; ratio and source are tried with the last of them.
        heads: Parts of `head` that are tried; the others are tried with the last of them.
        synthesizer_settings: Settings, by name, of the synthesizers that the rows come from, where they are not the defaults.
        independent: Whether rows of other origins come from a generator that was not fitted on these events; all then take part.
        margin: Standard errors of the difference by which a mix must be better than no mix; at 2 luck does it once in 40.
        held: Real users, at most, whose last events are held back.
        k: Length of the list that is judged.
    """

@overload
def mixer(
    name: Literal['selected'],
    *,
    ratio: float = 1.0,
    weight: float = 1.0,
    head: float = 1.0,
    continues: bool = False,
    keep: float = 0.5,
    held: float = 0.2,
    embedding_size: int = 32,
    steps: int = 5,
) -> wareloom.mixing.selected.Selected:
    """Keep the synthetic users that pull a small model towards held-back real events, and draw from these.

        ratio: Synthetic events for each real one; fewer are added where fewer are given.
        weight: Weight of each synthetic row; a real one weighs 1.
        head: Factor on the weight of synthetic rows whose item is in the head: the most popular items, with a third of the real events between them. Below 1 leaves what is popular to the real rows.
        continues: Whether synthetic users with ids of real ones go on with their histories, as samples of `--continue` do.
        keep: Share of the synthetic users that is kept, the best ones; `ratio` is drawn from these.
        held: Share of the real users whose last events are held back.
        embedding_size: Numbers in an item's vector.
        steps: Steps of gradient ascent at which gradients are compared.
    """

@overload
def mixer(name: type[M], **settings: Any) -> M: ...

@overload
def mixer(name: str) -> wareloom.mixing.Mixer: ...

class AdviseOptions(TypedDict, total=False):
    other_shops: Sequence[str]
    """Folders of other shops that may teach this one."""
    split: Literal['auto', 'time', 'leave-last-out']
    """How events are held out: at one date for everybody, or each user's last one. Auto takes a date where it asks enough shoppers."""
    most_events: int
    """Events that are worked on at most; of a larger log a sample of users is taken, and that is said."""

class AgreeOptions(TypedDict, total=False):
    settings: Mapping[str, Any]
    """Its settings."""
    labelled: int | None
    """How many queries of the training part it is given the judgments of; None all, 0 none."""
    split: wareloom.preparing.split_settings.SplitSettings | Mapping[str, Any]
    most: int
    """Queries of the test part that are labelled, drawn at random; 0 all."""
    seeds: int
    """How often the labelled queries, and everything else that is random, are drawn anew."""

class CleanOptions(TypedDict, total=False):
    missing_keys: bool
    """Reject rows without their keys: events without item (searches excepted) or without user and session."""
    times: bool
    """Reject events and searches at impossible times: before `earliest`, after `now`, or far in the future of the bulk."""
    earliest: str | datetime.datetime
    """No event was earlier than this (UTC)."""
    now: str | datetime.datetime | Literal['today'] | None
    """No event is later than this (UTC); "today" is the end of the day on which the shop is cleaned, which clean.json then names. None asks no clock: only times far in the future of the bulk are rejected."""
    amounts: bool
    """Reject events with a negative or infinite value or quantity; blank such prices of items."""
    returns: bool
    """Reject purchases with a negative quantity or value, and with each the purchase that it takes back: the last one before it of the same user, item and quantity (else value). Where there is none, what was given back is taken from the purchases before it of that user and item. A return without its purchase has an impossible amount."""
    zero_amounts: bool
    """Treat a price, value or quantity of zero as impossible too."""
    orphans: bool
    """Reject events, judgments and images of unknown items; add unknown users; forget unknown items of dialogues."""
    duplicates: Literal['auto', 'all', 'none']
    """Reject exact repeats of an event. "auto" does so only where times have seconds: two equal rows of one day (or without time) may be two events, and where the log has no quantity, equal lines of a basket say how many were bought."""
    near_seconds: float
    """Reject an event that repeats one of the same user, session, item, kind, search and position within so many seconds (a double click); 0 takes no such step. Only where times have seconds; lines of one basket stay."""
    outlier_z: float
    """Reject events whose value or quantity, and blank prices of items, with a robust z-score on the log scale beyond this; 0: none."""
    activity_z: float
    """Reject users whose number of events has a robust z-score on the log scale beyond this; 0: none."""
    robot_z: float
    """Reject users whose events per active hour (day, where times are days) have a robust z-score beyond this; 0: none."""
    robot_events: int
    """Fewer events do not make a robot."""
    core_users: int
    """Keep events of users with at least so many interactions only, iterated with `core_items`; 0 takes no such step."""
    core_items: int
    """Keep events on items with at least so many interactions only; the items themselves stay in the catalogue."""
    unicode: bool
    """Bring titles, descriptions, brands, categories, queries and dialogues to Unicode's form NFKC."""
    html: bool
    """Remove HTML tags from them and turn entities into characters."""
    spaces: bool
    """Fold runs of white space in them into one space, and remove invisible characters."""

class CompareOptions(TypedDict, total=False):
    measures: Sequence[str]
    """Names of measures; all quick ones of what SYNTH has (events, queries, …) where none are named."""
    gru: bool
    """Whether the network that reads sequences, too, tells synthetic users from real ones."""
    settings: Mapping[str, Mapping[str, Any]]
    """Settings of measures, by their names."""
    tolerance: float
    """Times the floor up to which a figure is said to be within it."""
    groups: int
    """Groups of users, or of queries, by which intervals and floors are found."""

class LeaderboardOptions(TypedDict, total=False):
    seeds: int
    """How often everything that is random is drawn anew; rankers without chance are fitted once."""
    metrics: Sequence[str]
    """The first is the one that orders the table."""
    repeats: Literal['auto', 'rank', 'mask']
    """Whether items of the history are ranked again: where the log repeats, always, or never."""
    ties: Sequence[Literal['shuffled', 'file']]
    """How events of one user and one time are ordered; one is enough where there are no ties."""

class PretrainOptions(TypedDict, total=False):
    model: str
    """A folder with the encoder to begin with: config.json, tokenizer and weights; empty for all-MiniLM-L6-v2."""
    fields: str
    """Fields of the items that are read, as rankers of text take them."""
    share: float
    """Share of the words that are left out and guessed."""
    passes: int
    """Passes over the texts."""
    batch_size: int
    """Texts a batch."""
    learning_rate: float
    """Highest step size."""
    longest: int
    """Pieces of words that a text is cut to."""
    validation: float
    """Share of the texts that is held out to stop early; none where it comes to fewer than 20."""

class ProveOptions(TypedDict, total=False):
    generator: wareloom.sampling.generator.Generator | Mapping[str, Any]
    """How synthetic exposures are made. The screen `copies` is left out: a session of one impression is always like a real one."""
    ranker_settings: Mapping[str, Any]
    """Its settings."""
    baselines: Mapping[str, Mapping[str, Any]]
    """Other rankers, with their settings, that stand beside on real data alone. One that is there twice is told apart by what follows it: "fusion", "fusion (rrf)"."""
    ratios: Sequence[float]
    """Synthetic rows for each real one; the best on the validation part is taken."""
    seeds: int
    """How often everything that is random is drawn anew."""
    metrics: Sequence[str]
    """The first is the one that decides; it must be a mean over impressions, such as log_loss."""
    updates: int
    """Gradient updates that every arm takes; 0 takes as many as real data alone does by the ranker's own settings."""
    guard: float
    """Largest fall, relative, of the deciding metric in a slice beside which "helps" is still said; 1 allows any."""
    effect: float | None
    """Relative lift, such as .02, of which the power is to be told; None tells it of the lift that was observed."""
    asks: Literal['intents', 'slots', 'replies']
    """What is learned: intents of customers' turns, slots in them, or which reply an agent gave."""
    shots: int
    """Real ones that all arms and the synthesizer are shown, drawn anew with each seed: utterances of each intent, or whole dialogues. 0 shows all; -1 shows 5 of an intent, 50 dialogues for slots, all for replies."""
    unlabelled: bool
    """Intents and slots: whether the synthesizer is shown the training part's other turns, without their labels."""
    fewest: int
    """Intents: different utterances below which an intent is left out."""
    most: int
    """Requests of a part, at most."""
    features: bool | str
    """Whether all-MiniLM-L6-v2 stands beside (English alone; extra `text`)."""
    augment: Mapping[str, Any]
    """Settings of the altered copies that pictures from scratch have to beat."""
    labelled: float | int | None
    """Share of the training photos, class by class, that generator and classifier are shown; each seed draws its own. At least one of a class is kept."""
    safe: bool
    """Whether it is measured on the validation photos which operations leave each class as it is, and the others are left out for that class. Takes a pass of the encoder over the validation photos for each operation."""
    repeats: Literal['auto', 'rank', 'mask']
    """Whether items of the history are ranked again: where the log repeats, always, or never."""
    ties: Sequence[Literal['shuffled', 'file']]
    """How events of one user and one time are ordered; the first decides. One is enough where there are no ties."""
    shares: Sequence[float] | Literal['auto']
    """Shares of the training users at which the lift is measured too; "auto" takes 5, 10, 20, 50 and 100 %."""
    lift_by_ratio: bool
    """Whether the lift of every ratio is measured on the validation part, with all seeds."""
    leave_out: bool
    """Whether a generator of several synthesizers is tried without each of them."""
    longer: float
    """How many times the updates the deciding arms take once more, such as 3; 0 asks nothing of it."""
    references: bool
    """Whether other uses of the same knowledge stand beside: direct labels, features, the generator as a ranker."""
    members: bool
    """Whether the members of a ranker that is made of others are measured alone, too, on the whole catalogue."""
    queries: int
    """Synthetic queries that are mixed in; 0 goes by `ratios`. It has to be named where no query is labelled."""
    catalogue_metrics: Sequence[str]
    """What is measured with the whole catalogue ranked: ndcg by grade, all others by `relevant`. Items that nobody judged count as wrong there; "judged@10" says which share of the first ten somebody judged. A metric that `metrics` has too is called "ndcg@10, all items"."""
    primary: Literal['judged', 'catalogue']
    """Whether the first of `metrics` or the first of `catalogue_metrics` decides."""
    gain: Literal['linear', 'exponential']
    """What a grade is worth in ndcg: itself, or 2^grade - 1."""
    single_grade: bool | None
    """Whether queries count whose judged items all have one grade: among these every order is as good. None: where no query of the shop has two grades, as in logs of queries with what was chosen; the whole catalogue decides then."""
    relevant: float
    """The grade, of 0 to 3, from which an item is right in the whole catalogue."""
    network: str
    """The member that each arm adds, taught on the arm's data."""
    network_settings: Mapping[str, Any]
    """Its settings."""
    others: Sequence[str]
    """Folders of other shops, on whose logs the generator is fitted, on each by itself."""
    own: float
    """Share of this shop's training users that all arms have, drawn anew with each seed: what if it were younger?"""
    draws: int
    """Synthetic events for each event of the other shops; together they weigh what `ratios` say. Many say with less noise what the generator learned."""
    matching: Literal['auto', 'ids', 'texts']
    """How products of two shops are matched: "ids", "texts", or "auto": by ids, those that differ by texts; refused where products of one id do not read alike."""
    embedder: str
    """What compares texts. Catalogues in two languages need one that knows both."""
    synthesizer_settings: Mapping[str, Any]
    """Settings of the synthesizer."""
    mixer_settings: Mapping[str, Any]
    """Settings of the mixer."""
    screen_settings: Mapping[str, Mapping[str, Any]]
    """Settings of the screens, by the screen's name."""

class SegmentOptions(TypedDict, total=False):
    where: Mapping[str, str]
    """Attributes of users, by name; "35-44|45-54" takes either."""
    since: str
    """Events from this day or time on, as in 2024-11-20."""
    until: str
    """Events before this day or time."""
    category: str
    """Events on items that have this name in their category's path."""
    events: Sequence[str]
    """Kinds of event; none named takes all."""

class SplitOptions(TypedDict, total=False):
    by: Literal['time', 'leave-last-out', 'user', 'query']
    """`time`: at two dates for everybody. `leave-last-out`: each user's last interaction is for the test, the one before for validation. `user`: whole users. `query`: whole queries, with their searches and judgments."""
    parts: tuple[float, float, float]
    """Shares of train, validation and test; only their ratio counts. Validation and test may be 0."""
    share: Literal['events', 'span']
    """What `parts` are shares of when splitting by time: the number of events, or the span from first to last."""
    dates: tuple[str | datetime.datetime, str | datetime.datetime] | None
    """Split by time at these dates (UTC): where validation begins and where the test begins."""
    last: str | None
    """Split by time so that the test is the last stretch, such as "14d", and validation as long a stretch before it."""
    shuffle_ties: int | None
    """Leave-last-out: a seed that draws the order of a user's events of one time, as `Log.of` does; None: file order."""
    kinds: Sequence[str]
    """Leave-last-out: the events that count as interactions; others go with the interaction that follows them."""
    validation_users: float
    """Leave-last-out: the share of users whose last event but one is for validation; of the others it stays in train. Where users are many, a part of them tells settings apart as well, and training loses fewer events."""
    seed: int
    """Decides which users, queries and dialogues fall in which part, on any machine and in any version."""
